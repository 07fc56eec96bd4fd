"""Looking into a queue without consuming from it, for everyone who shows one."""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from profiles.session import NOT_AWS, Aws

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef, MessageTypeDef

BATCH = 10  # entries in one SQS call, at most
PEEK_LIMIT = 200
_POLL_SECONDS = 1  # a long poll: a short one asks only some of the servers that AWS keeps a queue on
_ROUNDS_WITHOUT_NEWS = 3
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
_MOST_IN_FLIGHT = 120_000
_HIDDEN_SECONDS = 30  # at least
_LONGEST_HIDDEN_SECONDS = 43_200


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds. SQS calls these approximate: on AWS they settle within a minute."""

    waiting: int = 0
    in_flight: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        """All messages, whether or not they can be received now."""
        return self.waiting + self.in_flight + self.delayed


def depth(aws: Aws, url: str) -> Depth:
    """The queue's counts, in one call."""
    counts = aws.sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return Depth(
        waiting=int(counts["ApproximateNumberOfMessages"]),
        in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(counts["ApproximateNumberOfMessagesDelayed"]),
    )


@dataclass(frozen=True, slots=True)
class Redelivery:
    """When SQS delivers a failed message again, in seconds, and after how many receives it gives up (None: never)."""

    seconds: int
    receives: int | None

    @property
    def text(self) -> str:
        """In words."""
        end = f"is dead-lettered after {self.receives} receives" if self.receives else "is never dead-lettered"
        return f"a failed message is delivered again after {self.seconds} s and {end}"


def redelivery(aws: Aws, url: str) -> Redelivery:
    """How the queue treats what failed, in one call."""
    attributes = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "RedrivePolicy"])[
        "Attributes"
    ]
    receives = json.loads(attributes.get("RedrivePolicy", "{}")).get("maxReceiveCount")
    return Redelivery(int(attributes["VisibilityTimeout"]), None if receives is None else int(receives))


def hidden_seconds(count: int) -> int:
    """How long to hide messages from others so that none comes back while `count` of them are read.

    That is also how long nobody would see them if this process died before giving them back.
    """
    return min(_HIDDEN_SECONDS + count // BATCH, _LONGEST_HIDDEN_SECONDS)


def receive(aws: Aws, url: str, *, hidden: int) -> "list[MessageTypeDef]":
    """Up to ten messages with all their attributes, hidden from others for `hidden` seconds.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
    """
    return aws.sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=BATCH,
        VisibilityTimeout=hidden,
        WaitTimeSeconds=_POLL_SECONDS,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    ).get("Messages", [])


def give_back(aws: Aws, url: str, handles: Sequence[str]) -> None:
    """Make received messages visible again at once, by their receipt handles.

    Where SQS refuses that, they are visible again when their time is over: nothing is lost, so nothing is raised.
    """
    for start in range(0, len(handles), BATCH):
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0}
            for index, handle in enumerate(handles[start : start + BATCH])
        ]
        try:
            aws.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
        except ClientError:
            continue
        except NOT_AWS:  # nothing answers any more
            return


def browse(
    aws: Aws, url: str, *, limit: int | None = None, thorough: bool = False
) -> "Generator[MessageTypeDef, None, None]":
    """Messages of a queue that nobody consumes, each once; visible to others again when this ends or is closed.

    SQS hands out samples, so it is asked until as many are seen as it counts, or `limit`. Its counts may be a minute
    old: with `thorough` it is asked until it has nothing more. It ends in any case, even if what was seen comes round
    again: after some answers without news, as many as would bring everything once more while some are still unseen.
    """
    wanted = depth(aws, url).total if limit is None else min(limit, depth(aws, url).total)
    most = max(wanted, _MOST_IN_FLIGHT) if thorough else wanted
    handles: dict[str, str] = {}  # the newest handle of each message: only that one is sure to be good for giving back
    rounds = 0
    try:
        while len(handles) < most:
            messages = receive(aws, url, hidden=hidden_seconds(max(wanted, len(handles))))
            new = [message for message in messages if message["MessageId"] not in handles]
            handles |= {message["MessageId"]: message["ReceiptHandle"] for message in messages}
            yield from new
            rounds = 0 if new else rounds + 1
            unseen = wanted > len(handles)
            if not messages or rounds >= _ROUNDS_WITHOUT_NEWS + (len(handles) // BATCH if unseen else 0):
                return
    finally:
        give_back(aws, url, list(handles.values()))


def peek(aws: Aws, url: str, *, limit: int = PEEK_LIMIT) -> "list[MessageTypeDef]":
    """Up to `limit` messages, oldest first as far as SQS tells, none of them consumed.

    For as long as this takes they are hidden from others, so it is for queues that nobody consumes (dead letters, the
    inbox), never for the tick queue, where it would also count as a failed receive.
    """
    return sorted(browse(aws, url, limit=limit), key=sent_ms)


def sent_ms(message: "MessageTypeDef") -> int:
    """When SQS accepted the message, milliseconds since 1970."""
    return int(message["Attributes"]["SentTimestamp"])
