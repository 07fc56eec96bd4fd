"""A function as Lambda runs it: made with its environment, on AWS's own host names, which moto answers."""

import io
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.contract import CONTRACT
from pipeline.rules import RULES, Settings
from runtime.function import Handler, make_handler, sample
from runtime.settings import ConfigurationError
from tests.unit.runtime.slow_aws import SlowAws, slow_aws

REGION = "us-east-2"
SENT_MS = "1767623400500"


@dataclass
class Context:
    """What the handler and Powertools use of Lambda's context object."""

    function_name: str = "StockProcessor"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-2:123456789012:function:StockProcessor"
    aws_request_id: str = "request-1"
    remaining_ms: int = 30_000

    def __post_init__(self) -> None:
        self._ends = time.time() + self.remaining_ms / 1000

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(1000 * (self._ends - time.time())))


@dataclass
class World:
    """The function, and the clients to look at what it did."""

    handler: Handler
    name: str
    s3: Any
    sqs: Any
    inbox: str
    log: io.StringIO

    def receive(self, *bodies: str, remaining_ms: int = 30_000) -> dict[str, Any]:
        records = [
            {"messageId": f"m{index}", "body": body, "attributes": {"SentTimestamp": SENT_MS}}
            for index, body in enumerate(bodies)
        ]
        return self.handler({"Records": records}, Context(remaining_ms=remaining_ms))

    def start_again(self) -> None:
        """As a new execution environment does it."""
        self.handler = stock_handler()

    def markers(self) -> list[dict[str, Any]]:
        found = self.s3.list_objects_v2(Bucket="stock-data", Prefix="alerts/")["Contents"]
        return [json.load(self.s3.get_object(Bucket="stock-data", Key=item["Key"])["Body"]) for item in found]


def stock_handler() -> Handler:
    return make_handler(CONTRACT, RULES, Settings)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    name = f"StockProcessor-{uuid.uuid4().hex}"  # loggers are kept by this name
    for variable in [name for name in os.environ if name.startswith("POWERTOOLS_")]:
        monkeypatch.delenv(variable)
    with mock_aws():
        monkeypatch.setenv("AWS_REGION", REGION)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", name)
        monkeypatch.setenv("BUCKET", "stock-data")
        s3 = boto3.client("s3", region_name=REGION)
        sns = boto3.client("sns", region_name=REGION)
        sqs = boto3.client("sqs", region_name=REGION)
        s3.create_bucket(Bucket="stock-data", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        topic = sns.create_topic(Name="StockAlerts")["TopicArn"]
        inbox = sqs.create_queue(QueueName="StockAlertsInbox")["QueueUrl"]
        inbox_arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox_arn)
        monkeypatch.setenv("SNS_TOPIC_ARN", topic)
        handler = stock_handler()
        log = io.StringIO()
        [logs] = logging.getLogger(name).handlers
        assert isinstance(logs, logging.StreamHandler)
        logs.setStream(log)
        yield World(handler, name, s3, sqs, inbox, log)


@pytest.fixture
def aws(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowAws]:
    """The function's SNS answers over HTTP."""
    with slow_aws() as slow:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", slow.url)
        world.start_again()
        yield slow


def body(**fields: Any) -> str:
    tick = {"tick_id": "t1", "symbol": "TSLA", "price": 100.0, "volume": 1, "timestamp": "2026-01-05T14:30:00Z"}
    return json.dumps({**tick, **fields})


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_a_batch_is_stored_alerted_and_answered(world: World) -> None:
    answer = world.receive(body(), body(tick_id="t2", price=1201.33), "poison")
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}]}
    keys = [item["Key"] for item in world.s3.list_objects_v2(Bucket="stock-data")["Contents"]]
    assert keys == [
        "alerts/price/TSLA/1767623400000.json",
        "processed/TSLA/1767623400000-t1.json",
        "processed/TSLA/1767623400000-t2.json",
    ]
    stored = world.s3.get_object(Bucket="stock-data", Key=keys[2])
    assert json.load(stored["Body"])["alert"] is True
    assert stored["Metadata"] == {"request-id": "request-1"}
    marker = json.load(world.s3.get_object(Bucket="stock-data", Key=keys[0])["Body"])
    [message] = world.sqs.receive_message(QueueUrl=world.inbox)["Messages"]
    notification = json.loads(message["Body"])
    assert notification["Subject"] == "Stock alert: TSLA 1201.33 >= 1200.00"
    assert notification["MessageId"] == marker["sns_message_id"]
    assert notification["MessageAttributes"]["price"] == {"Type": "Number", "Value": "1201.33"}


def test_a_redelivery_changes_nothing(world: World) -> None:
    world.receive(body(price=1300))
    before = world.s3.list_objects_v2(Bucket="stock-data")["Contents"]
    assert world.receive(body(price=1300)) == {"batchItemFailures": []}
    after = world.s3.list_objects_v2(Bucket="stock-data")["Contents"]
    assert [(item["Key"], item["ETag"]) for item in after] == [(item["Key"], item["ETag"]) for item in before]


def test_an_invocation_logs_each_failure_and_one_summary(world: World) -> None:
    world.receive(body(), body(), body(tick_id="t2", price=-1), "\x1b[31mpoison")
    rejected, poison, summary = lines(world.log.getvalue())
    assert rejected["level"] == "ERROR"
    assert rejected["message"] == "tick rejected"
    assert rejected["message_id"] == "m2"
    assert rejected["reason"] == "price -1.0 is not above 0"
    assert json.loads(rejected["body"])["tick_id"] == "t2"
    assert rejected["function_request_id"] == "request-1"
    assert poison["body"] == "\\x1b[31mpoison"
    assert summary["level"] == "INFO"
    assert summary["message"] == "batch processed"
    counts = {name: summary[name] for name in ("messages", "stored", "duplicates", "failed")}
    assert counts == {"messages": 4, "stored": 1, "duplicates": 1, "failed": 2}


def test_an_invocation_writes_one_line_of_metrics(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = [body(tick_id=f"t{index}", price=1199.0 + index) for index in range(3)]
    world.receive(*bodies, bodies[0], "poison")
    [metrics] = [line for line in lines(capsys.readouterr().out) if "_aws" in line]
    [directive] = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Stockpipe"
    assert directive["Dimensions"] == [["service"]]
    assert metrics["service"] == world.name
    assert {name: metrics[name] for name in metrics if name.startswith(("Ticks", "Alerts"))} == {
        "TicksStored": [3.0],
        "TicksRejected": [1.0],
        "TicksDuplicate": [1.0],
        "AlertsPublished": [1.0],
        "AlertsSuppressed": [1.0],
    }
    assert len(metrics["LatencyMs"]) == 3


def test_a_large_batch_still_writes_one_line_of_metrics(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    answer = world.receive(*(body(tick_id=f"t{index}") for index in range(150)))
    assert answer == {"batchItemFailures": []}
    [metrics] = [line for line in lines(capsys.readouterr().out) if "_aws" in line]
    assert metrics["TicksStored"] == [150.0]
    assert 0 < len(metrics["LatencyMs"]) < 100


def test_a_sample_keeps_the_ends_and_the_middle() -> None:
    assert sample([3, 1, 2]) == [1, 2, 3]
    spread = sample(range(10_000))
    assert (len(spread), spread[0], spread[-1]) == (99, 0, 9_999)
    assert abs(spread[49] - 5_000) <= 1


def test_each_window_has_one_alert_though_sns_takes_seconds_to_answer(world: World, aws: SlowAws) -> None:
    """With botocore's repeats there were 12."""
    aws.sns_seconds = 4.5
    symbols = ("AAPL", "GOOG", "MSFT", "TSLA")
    answer = world.receive(*(body(symbol=symbol, price=1300) for symbol in symbols), remaining_ms=10_000)
    assert answer == {"batchItemFailures": []}
    assert aws.windows == [f"{symbol}/1767623400000" for symbol in symbols]
    assert [marker["state"] for marker in world.markers()] == ["published"] * 4


def test_an_alert_repeats_only_after_the_claim_of_a_publish_that_was_not_answered(world: World, aws: SlowAws) -> None:
    # Given: SNS takes the message, and doesn't answer in the time that the function has
    failed = {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    aws.sns_seconds = 30
    assert world.receive(body(price=1300), remaining_ms=2_000) == failed
    [claim] = world.markers()
    # When: SNS is well again, and SQS delivers the tick again and again
    aws.sns_seconds = 0
    while world.receive(body(price=1300), remaining_ms=2_000) == failed:
        pass
    # Then: the alert has repeated once, and not before the claim had expired
    assert len(aws.alerts) == 2
    assert aws.arrivals_ms[1] >= claim["expires_at_ms"] > aws.arrivals_ms[0]
    assert [marker["state"] for marker in world.markers()] == ["published"]


def test_sns_is_asked_once_also_where_it_answers_with_an_internal_error(world: World, aws: SlowAws) -> None:
    aws.sns_status = 500
    assert world.receive(body(price=1300)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert len(aws.alerts) == 1
    [marker] = world.markers()
    assert (marker["state"], marker["expires_at_ms"] > 0) == ("claimed", True)


def test_a_claim_is_given_back_where_sns_cannot_be_reached(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_aws() as gone:
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", gone.url)
    world.start_again()
    assert world.receive(body(price=1300)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert [(marker["state"], marker["expires_at_ms"]) for marker in world.markers()] == [("claimed", 0)]


def test_a_write_is_repeated_by_the_function_and_not_by_botocore(
    world: World, aws: SlowAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore knows no deadline."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws.url)
    world.start_again()
    assert world.receive(body()) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert len(aws.puts) == 5


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("BUCKET", "", "environment variable BUCKET is missing"),
        ("SNS_TOPIC_ARN", "", "environment variable SNS_TOPIC_ARN is missing"),
        (
            "ALERT_VOLUME",
            "0",
            "environment variable ALERT_VOLUME='0' is not a whole number of shares from 1 to 2147483647",
        ),
        ("POWERTOOLS_LOG_LEVEL", "LOUD", "environment variable POWERTOOLS_LOG_LEVEL='LOUD' is not one of DEBUG, "),
    ],
)
def test_a_function_whose_environment_is_wrong_does_not_start(
    name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, text in {"BUCKET": "b", "SNS_TOPIC_ARN": "t", name: value}.items():
        monkeypatch.setenv(variable, text)

    with pytest.raises(ConfigurationError) as raised:
        stock_handler()

    assert str(raised.value).startswith(reason)
