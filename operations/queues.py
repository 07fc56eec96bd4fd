"""Queues: how many messages they hold, how old they are, and which, without consuming any."""

import json
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from profiles.environment import Environment
from profiles.session import NOT_AWS, Aws

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef, MessageTypeDef

BATCH = 10  # entries in one SQS call, at most
PEEK_LIMIT = 200
_POLL_SECONDS = 1  # a long poll: a short one asks only some of the servers that AWS keeps a queue on
_ROUNDS_WITHOUT_NEWS = 3
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
_MOST_IN_FLIGHT = 120_000
_HIDDEN_SECONDS = 5
_HELD_PER_SECOND = 100  # more messages take longer to renew, so each hundred of them adds a second


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


def oldest_message_seconds(environment: Environment, now: datetime) -> float | None:
    """Age of the oldest message in the queue; None where the endpoint has no such metric (the emulators).

    A metric costs $0.01 per 1,000 requests on AWS.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    answer = environment.aws.cloudwatch.get_metric_data(
        StartTime=now - timedelta(minutes=5),
        EndTime=now,
        ScanBy="TimestampDescending",
        MetricDataQueries=[
            {
                "Id": "age",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SQS",
                        "MetricName": "ApproximateAgeOfOldestMessage",
                        "Dimensions": [{"Name": "QueueName", "Value": environment.names.queue}],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
        ],
    )
    values = answer["MetricDataResults"][0]["Values"] if answer["MetricDataResults"] else []
    return float(values[0]) if values else None


class Held:
    """Messages that were received and are made visible again. Only the newest handle of a message is surely valid.

    They are hidden from others for `hidden_seconds` at a time, and renewed when half of that is over.

    If SQS refuses to make one visible, it is visible again when its time is over: nothing is lost or raised.
    """

    def __init__(self, aws: Aws, url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._aws = aws
        self._url = url
        self._now = now
        self._handles: dict[str, str] = {}
        self._due: dict[str, float] = {}  # when to renew, the next one first

    def __len__(self) -> int:
        return len(self._handles)

    @property
    def hidden_seconds(self) -> int:
        """How long messages are hidden at a time. After a reader is killed, they stay hidden that long."""
        return _HIDDEN_SECONDS + len(self) // _HELD_PER_SECOND

    def receive(self) -> "list[MessageTypeDef] | None":
        """Up to ten more that aren't held yet; None if SQS had nothing. First renews those that are due.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
        """
        self._renew()
        hidden = self.hidden_seconds
        messages = self._aws.sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=hidden,
            WaitTimeSeconds=_POLL_SECONDS,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        new = [message for message in messages if message["MessageId"] not in self._handles]
        self._hold({message["MessageId"]: message["ReceiptHandle"] for message in messages}, hidden)
        return new if messages else None

    def forget(self, message_ids: Iterable[str]) -> None:
        """These were deleted, so they are not made visible again."""
        for message_id in message_ids:
            self._handles.pop(message_id, None)
            self._due.pop(message_id, None)

    def give_back(self) -> None:
        """Make all visible to others at once."""
        self._change(list(self._handles.values()), 0)
        self._handles.clear()
        self._due.clear()

    def _renew(self) -> None:
        now = self._now()
        due = list(takewhile(lambda message_id: self._due[message_id] <= now, self._due))
        if due:
            hidden = self.hidden_seconds
            self._change([self._handles[message_id] for message_id in due], hidden)
            self._hold({message_id: self._handles[message_id] for message_id in due}, hidden)

    def _hold(self, handles: Mapping[str, str], hidden: int) -> None:
        self._handles |= handles
        for message_id in handles:
            self._due.pop(message_id, None)
            self._due[message_id] = self._now() + hidden / 2

    def _change(self, handles: Sequence[str], seconds: int) -> None:
        for start in range(0, len(handles), BATCH):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                for index, handle in enumerate(handles[start : start + BATCH])
            ]
            try:
                self._aws.sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
            except ClientError:
                continue
            except NOT_AWS:  # nothing answers any more
                return


def browse(
    aws: Aws, url: str, *, limit: int | None = None, thorough: bool = False, now: Callable[[], float] = time.monotonic
) -> "Generator[MessageTypeDef, None, None]":
    """Messages of a queue that nobody consumes, each once; visible to others again when this ends or is closed.

    SQS returns samples, so it is asked until as many messages are seen as it counts, or `limit`. Its counts may be a
    minute old: with `thorough`, and if it counts none, it is asked until it returns nothing more. If it returns the
    same messages again and again, this ends after some answers without new ones: as many as would return everything
    once more while some messages are still unseen.
    """
    counted = depth(aws, url).total
    most = _MOST_IN_FLIGHT if thorough or not counted else counted
    most = most if limit is None else min(limit, most)
    held = Held(aws, url, now)
    rounds = 0
    try:
        while (left := most - len(held)) > 0:
            new = held.receive()
            if new is None:
                return
            yield from new[:left] if limit else new
            rounds = 0 if new else rounds + 1
            unseen = min(counted, most) > len(held)
            if rounds >= _ROUNDS_WITHOUT_NEWS + (len(held) // BATCH if unseen else 0):
                return
    finally:
        held.give_back()


def peek(aws: Aws, url: str, *, limit: int = PEEK_LIMIT) -> "list[MessageTypeDef]":
    """Up to `limit` messages, oldest first as far as SQS tells, none of them consumed.

    During this time they are hidden from others (after a kill: for `Held.hidden_seconds`), and it counts as a receive.
    So use it only for queues that nobody consumes (dead letters, the inbox), never for one that a function reads.
    """
    return sorted(browse(aws, url, limit=limit), key=sent_ms)


def sent_ms(message: "MessageTypeDef") -> int:
    """When SQS accepted the message, milliseconds since 1970."""
    return int(message["Attributes"]["SentTimestamp"])
