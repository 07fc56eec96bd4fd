"""What is in the dead-letter queue, read without taking anything out of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.tick import InvalidTickError, parse

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HOLD_SECONDS = 60  # so long a reader keeps what it has seen from being handed to it again
_EMPTY_ANSWERS_AT_THE_END = 2
_BATCH = 10


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed too often. `tick_id` is None where the body doesn't tell it."""

    message_id: str
    tick_id: str | None
    reason: str


def read(sqs: "SQSClient", queue_url: str, *, max_receive_count: int, thorough: bool = True) -> Iterator[DeadLetter]:
    """All dead letters, with the reason of each.

    SQS hands out samples, so it is asked until all that it counts have been seen and it has nothing more. Each message
    is held back while reading and visible again after it, also when reading is broken off. With `thorough` false and a
    count of zero, one quick look is enough.
    """
    total = waiting(sqs, queue_url)
    seen: dict[str, str] = {}  # message id → receipt handle
    empty_answers = 0
    try:
        while empty_answers < (_EMPTY_ANSWERS_AT_THE_END if thorough or total else 1):
            # Waiting makes SQS ask all of its servers and not a sample of them.
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
            messages = sqs.receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=HOLD_SECONDS,
                WaitTimeSeconds=1 if len(seen) < total else 0,
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            empty_answers = 0 if messages else empty_answers + 1
            for message in messages:
                again = message["MessageId"] in seen
                seen[message["MessageId"]] = message["ReceiptHandle"]
                if not again:
                    yield _dead_letter(message, max_receive_count)
    finally:
        _release(sqs, queue_url, list(seen.values()))


def waiting(sqs: "SQSClient", queue_url: str) -> int:
    """How many messages SQS counts in a queue, those that somebody is working on included."""
    attributes = sqs.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return sum(int(number) for number in attributes.values())


def _dead_letter(message: "MessageTypeDef", max_receive_count: int) -> DeadLetter:
    body = message["Body"]
    sent = int(message.get("Attributes", {}).get("SentTimestamp", 0))
    try:
        tick_id: str | None = parse(body, message_id=message["MessageId"], sent_timestamp_ms=sent).tick_id
        reason = f"valid, but failed {max_receive_count} times: see the function's logs"
    except InvalidTickError as error:
        tick_id, reason = _tick_id(body), str(error)
    return DeadLetter(message["MessageId"], tick_id, reason)


def _tick_id(body: str) -> str | None:
    """The tick id of a body that is otherwise invalid, if it has one."""
    try:
        tick_id = json.loads(body)["tick_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return tick_id if isinstance(tick_id, str) else None


def _release(sqs: "SQSClient", queue_url: str, receipts: list[str]) -> None:
    for start in range(0, len(receipts), _BATCH):
        sqs.change_message_visibility_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for place, receipt in enumerate(receipts[start : start + _BATCH])
            ],
        )
