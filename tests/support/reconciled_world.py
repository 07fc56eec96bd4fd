"""An environment in moto in which a test decides what became of each tick, for the tests of `reconcile`."""

import io
import json
import zipfile
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from operations.reconcile import Reconciliation, reconcile
from pipeline.contract import CONTRACT, Tick
from pipeline.source import Market
from producer.manifest import ManifestWriter, Sent
from profiles.session import Aws
from runtime.alerts import Marker
from runtime.clock import to_epoch_ms
from tests.support.environments import at, stock_names

NAMES = stock_names("123456789012")
MARKET = Market(7, datetime(2026, 1, 5, 14, 30, tzinfo=UTC), groups=("AAPL", "NFLX", "TSLA"), rate=3)
TICKS = list(islice(MARKET.records(), 120))
CALM = [tick for tick in TICKS if tick.price < 1200]
WINDOWS = {CONTRACT.alert_key("price", tick, 60) for tick in TICKS if tick.price >= 1200}


class World:
    """An environment in moto in which a test decides what became of each tick."""

    def __init__(self, aws: Aws, folder: Path) -> None:
        self.aws = aws
        self.environment = at(aws, NAMES)
        self.manifest = folder / "run.jsonl"
        self.queue = aws.sqs.create_queue(QueueName=NAMES.dead_letter_queue)["QueueUrl"]
        self.dead_letter_queue = self.queue
        self.queue = aws.sqs.create_queue(
            QueueName=NAMES.queue,
            Attributes={
                "RedrivePolicy": json.dumps({"deadLetterTargetArn": NAMES.dead_letter_queue_arn, "maxReceiveCount": 5})
            },
        )["QueueUrl"]
        self.inbox = aws.sqs.create_queue(QueueName=NAMES.inbox_queue)["QueueUrl"]
        aws.s3.create_bucket(Bucket=NAMES.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        role = aws.iam.create_role(RoleName="role", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"}))
        aws.lambda_.create_function(
            FunctionName=NAMES.function,
            Runtime="python3.11",
            Handler="process_stock.lambda_handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": _zip()},
            Environment={"Variables": {"BUCKET": NAMES.bucket, "SNS_TOPIC_ARN": NAMES.topic_arn}},
        )

    def configure(self, **variables: str) -> None:
        self.aws.lambda_.update_function_configuration(
            FunctionName=NAMES.function,
            Environment={"Variables": {"BUCKET": NAMES.bucket, "SNS_TOPIC_ARN": NAMES.topic_arn, **variables}},
        )

    def produce(self, ticks: list[Tick], *, path: Path | None = None) -> None:
        with ManifestWriter(path or self.manifest, resume=True) as writer:
            writer.append([Sent(tick, f"m-{tick.tick_id}") for tick in ticks])

    def store(self, ticks: list[Tick]) -> None:
        for tick in ticks:
            self.put(CONTRACT.key(tick), record(tick))

    def mark(self, keys: set[str], at: str = "2026-01-05T14:31:00.000Z", about: str = "") -> None:
        published_ms = to_epoch_ms(datetime.fromisoformat(at))
        marker = Marker(about, "published", sns_message_id="s-1", published_ms=published_ms)
        for key in keys:
            self.put(key, marker.encode("tick_id").decode())

    def alert(self, keys: set[str]) -> None:
        """What subscribers get, as SNS delivers it, and its markers."""
        self.mark(keys)
        for key in keys:
            _, rule, symbol, window = key.removesuffix(".json").split("/")
            message = json.dumps({"rule": rule, "symbol": symbol, "window": window})
            self.deliver(json.dumps({"MessageId": "s-1", "TopicArn": NAMES.topic_arn, "Message": message}))

    def deliver(self, body: str) -> None:
        self.aws.sqs.send_message(QueueUrl=self.inbox, MessageBody=body)

    def kill(self, bodies: list[str]) -> list[str]:
        """Put messages into the dead-letter queue; their ids."""
        send = self.aws.sqs.send_message
        return [send(QueueUrl=self.dead_letter_queue, MessageBody=body)["MessageId"] for body in bodies]

    def put(self, key: str, body: str) -> None:
        self.aws.s3.put_object(Bucket=NAMES.bucket, Key=key, Body=body.encode())

    def reconcile(self, **options: Any) -> Reconciliation:
        return reconcile(self.environment, [self.manifest], **options)


def record(tick: Tick) -> str:
    return CONTRACT.encode_stored(tick, sent_timestamp_ms=0, processed_at=tick.event_time, alert=False)


def _zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("process_stock.py", "")
    return content.getvalue()
