"""What is said of a message that failed and will be delivered again, and of one that can't ever succeed."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from operations import queues
from operations.trace import trace
from profiles.session import Aws, Profile
from tests.support.command_line import stockpipe, works_on
from tests.support.environments import at, stock_names

NAMES = stock_names("123456789012")
BAD = json.dumps({"tick_id": "bad-1", "symbol": "AAPL", "price": "1", "volume": 1})
GOOD = json.dumps({"tick_id": "good-1", "symbol": "AAPL", "price": 1.5, "volume": 1})
REASON = "price is a string, not a number"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Aws]:
    monkeypatch.setattr(queues, "_POLL_SECONDS", 0)  # moto has one server, and would only wait
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path))
    with mock_aws():
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-2")
        aws = Aws(Profile("moto", None), session)
        works_on(monkeypatch, at(aws, NAMES))
        _make(aws)
        yield aws


def _make(aws: Aws) -> None:
    aws.sqs.create_queue(QueueName=NAMES.dead_letter_queue)
    policy = json.dumps({"deadLetterTargetArn": NAMES.dead_letter_queue_arn, "maxReceiveCount": 5})
    aws.sqs.create_queue(QueueName=NAMES.queue, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "180"})
    aws.s3.create_bucket(Bucket=NAMES.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    role = aws.iam.create_role(RoleName="role", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"}))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("process_stock.py", "")
    aws.lambda_.create_function(
        FunctionName=NAMES.function,
        Runtime="python3.11",
        Handler="process_stock.lambda_handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": content.getvalue()},
        Environment={"Variables": {"BUCKET": NAMES.bucket, "SNS_TOPIC_ARN": NAMES.topic_arn}},
    )
    aws.logs.create_log_group(logGroupName=NAMES.log_group)
    aws.logs.create_log_stream(logGroupName=NAMES.log_group, logStreamName="one")


def reject(aws: Aws, body: str, times: int) -> str:
    """Send a message that the function has rejected so many times; its id."""
    url = aws.sqs.get_queue_url(QueueName=NAMES.queue)["QueueUrl"]
    message_id = aws.sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"]
    aws.sqs.receive_message(QueueUrl=url)
    now_ms = time.time_ns() // 1_000_000
    line = {"level": "ERROR", "message": "tick rejected", "reason": REASON, "message_id": message_id, "body": body}
    events: Any = [
        {"timestamp": now_ms - 1000 * number, "message": json.dumps({**line, "function_request_id": f"r{number}"})}
        for number in reversed(range(times))
    ]
    aws.logs.put_log_events(logGroupName=NAMES.log_group, logStreamName="one", logEvents=events)
    return message_id


def test_a_tick_that_is_being_retried_says_how_often_it_failed_and_why(aws: Aws) -> None:
    # given a message that is not a valid tick, was sent by somebody else, and failed twice
    message_id = reject(aws, BAD, 2)

    # then it is traced by both its ids
    for some_id in ("bad-1", message_id):
        found = trace(at(aws, NAMES), some_id)
        assert found.outcome == "on its way"
        assert [hop.name for hop in found.hops] == ["failed", "failed"]
    answer = stockpipe("trace", "bad-1")
    assert answer.exit_code == 1
    assert (
        f"It failed 2 times so far: {REASON}; a failed message is delivered again after 180 s "
        "and is dead-lettered after 5 receives." in answer.stderr
    )


def test_a_tick_that_nobody_knows_is_not_found_though_another_one_fails(aws: Aws) -> None:
    reject(aws, BAD, 1)
    found = trace(at(aws, NAMES), "another")
    assert (found.outcome, found.reason, found.hops) == ("not found", None, ())


def test_no_dead_letters_yet_hints_at_what_is_in_flight(aws: Aws) -> None:
    assert stockpipe("dlq", "list").stderr == ""
    reject(aws, BAD, 1)
    answer = stockpipe("dlq", "list")
    assert answer.stdout == "no dead letters\n"
    assert answer.stderr.startswith("1 messages are being processed or retried: a failed message is delivered again")


@pytest.mark.parametrize(
    ("arguments", "bodies", "said"),
    [
        ([], [GOOD], ""),
        ([], [BAD, GOOD], "1 of 2 messages can't succeed, because they are not valid ticks: they will fail again\n"),
        (
            ["bad-1"],
            [BAD, GOOD],
            "1 of 1 messages can't succeed, because they are not valid ticks: they will fail again\n",
        ),
        (["good-1"], [BAD, GOOD], ""),
    ],
    ids=["all good", "one of all bad", "the bad one", "the good one"],
)
def test_redriving_what_is_no_tick_is_warned_of(aws: Aws, arguments: list[str], bodies: list[str], said: str) -> None:
    url = aws.sqs.get_queue_url(QueueName=NAMES.dead_letter_queue)["QueueUrl"]
    for body in bodies:
        aws.sqs.send_message(QueueUrl=url, MessageBody=body)

    def refuse(params: Any, **_: Any) -> None:  # as ministack: so they are copied
        raise ClientError({"Error": {"Code": "UnsupportedOperation", "Message": "no"}}, "StartMessageMoveTask")

    aws.sqs.meta.events.register("before-parameter-build.sqs.StartMessageMoveTask", refuse)
    answer = stockpipe("dlq", "redrive", *arguments)
    assert answer.exit_code == 0, answer.error
    assert answer.stderr == said
