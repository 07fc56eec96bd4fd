"""An environment in moto in which a test decides what became of each tick, for the tests of `reconcile`."""

import io
import json
import zipfile
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.tick import Tick, alert_marker_key, encode_record, record_key, to_record

from operations.reconcile import reconcile
from operations.reconciliation import Reconciliation
from producer.manifest import ManifestWriter, Sent
from producer.market import Market
from profiles.names import Names
from profiles.session import Aws

NAMES = Names("123456789012")
MARKET = Market(7, datetime(2026, 1, 5, 14, 30, tzinfo=UTC), symbols=("AAPL", "NFLX", "TSLA"), rate=3)
TICKS = list(islice(MARKET.ticks(), 120))
CALM = [tick for tick in TICKS if tick.price < 1200]
WINDOWS = {alert_marker_key(tick, cooldown_seconds=60) for tick in TICKS if tick.price >= 1200}


class World:
    """An environment in moto in which a test decides what became of each tick."""

    def __init__(self, aws: Aws, folder: Path) -> None:
        self.aws = aws
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
            self.put(record_key(tick), record(tick))

    def mark(self, keys: set[str], state: str = "published", at: str = "2026-01-05T14:31:00.000Z") -> None:
        for key in keys:
            self.put(key, json.dumps({"state": state, "published_at": at, "sns_message_id": "s-1"}))

    def alert(self, keys: set[str]) -> None:
        """What subscribers get, as SNS delivers it, and its markers."""
        self.mark(keys)
        for key in keys:
            _, symbol, window = key.removesuffix(".json").split("/")
            message = json.dumps({"symbol": symbol, "window": window})
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
        return reconcile(self.aws, NAMES, [self.manifest], **options)


def record(tick: Tick) -> str:
    return encode_record(to_record(tick, sent_timestamp_ms=0, processed_at=tick.event_time, alert=False))


def _zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("process_stock.py", "")
    return content.getvalue()
