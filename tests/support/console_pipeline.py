"""A pipeline on a running engine, as the console's tests use it."""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import bootstrap
from pipeline.contract import CONTRACT, Tick
from profiles.names import Names
from profiles.session import Aws
from runtime.clock import iso_utc
from tests.support.environments import at, stock_names, stock_settings

_SECONDS_UNTIL_RETRY = 5


@dataclass(frozen=True)
class Pipeline:
    """An environment of its own on a running engine."""

    aws: Aws
    names: Names

    def url(self, queue: str) -> str:
        return self.aws.sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def send(self, body: str, queue: str = "") -> str:
        """Send a message as it is to the tick queue, or another; gives its id."""
        return self.aws.sqs.send_message(QueueUrl=self.url(queue or self.names.queue), MessageBody=body)["MessageId"]

    def tick(self, symbol: str, price: float) -> Tick:
        return Tick(f"t-{uuid.uuid4().hex}", symbol, price, 100, iso_utc(datetime.now(UTC)))

    def send_prices(self, symbol: str, *prices: float) -> None:
        for price in prices:
            self.send(CONTRACT.encode(self.tick(symbol, price)))


def make_pipeline(aws: Aws, prefix: str) -> Pipeline:
    """Make an environment in which a message that failed once is a dead letter soon after, not minutes later.

    The function is warm: its first start takes longer than such an impatient queue would wait.
    """
    pipeline = Pipeline(aws, stock_names(aws.account, prefix))
    bootstrap.up(at(aws, pipeline.names), stock_settings())
    first = pipeline.tick("WARM", 1.0)
    pipeline.send(CONTRACT.encode(first))
    aws.s3.get_waiter("object_exists").wait(
        Bucket=pipeline.names.bucket, Key=CONTRACT.key(first), WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    redrive = {"deadLetterTargetArn": pipeline.names.dead_letter_queue_arn, "maxReceiveCount": 1}
    aws.sqs.set_queue_attributes(
        QueueUrl=pipeline.url(pipeline.names.queue),
        Attributes={"VisibilityTimeout": str(_SECONDS_UNTIL_RETRY), "RedrivePolicy": json.dumps(redrive)},
    )
    return pipeline
