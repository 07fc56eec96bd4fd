"""Looking into a queue without consuming from it, for everyone who shows one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from profiles.errors import CannotRunError
from profiles.session import Aws

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BATCH = 10  # entries in one SQS call, at most
PEEK_LIMIT = 200
_HIDDEN_SECONDS = 30  # how long others would not see a peeked message if this process died before giving it back

_NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


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


def queue_url(aws: Aws, name: str) -> str:
    """The URL of a queue. Raises `CannotRunError` where it doesn't exist."""
    try:
        return aws.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as error:
        if error.response["Error"]["Code"] in _NO_QUEUE:
            raise CannotRunError(
                f"there is no queue {name} in account {aws.account}: make the environment with stockpipe up"
            ) from error
        raise


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


def receive(aws: Aws, url: str) -> "list[MessageTypeDef]":
    """Up to ten messages with all their attributes, hidden from others for a while.

    It polls long (a second): a short poll asks only some of the servers that AWS keeps a queue on.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
    """
    return aws.sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=BATCH,
        VisibilityTimeout=_HIDDEN_SECONDS,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    ).get("Messages", [])


def give_back(aws: Aws, url: str, messages: "Sequence[MessageTypeDef]") -> None:
    """Make received messages visible again at once."""
    for start in range(0, len(messages), BATCH):
        aws.sqs.change_message_visibility_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for index, message in enumerate(messages[start : start + BATCH])
            ],
        )


def peek(aws: Aws, url: str, *, limit: int = PEEK_LIMIT) -> "list[MessageTypeDef]":
    """Up to `limit` messages, oldest first as far as SQS tells, none of them consumed.

    For as long as this takes they are hidden from others, so it is for queues that nobody consumes (dead letters, the
    inbox), never for the tick queue, where it would also count as a failed receive.
    """
    wanted = min(limit, depth(aws, url).total)
    seen: dict[str, MessageTypeDef] = {}
    held: list[MessageTypeDef] = []
    try:
        while len(seen) < wanted and (messages := receive(aws, url)):
            held += messages
            seen |= {message["MessageId"]: message for message in messages}
    finally:
        give_back(aws, url, held)
    return sorted(seen.values(), key=sent_ms)


def sent_ms(message: "MessageTypeDef") -> int:
    """When SQS accepted the message, milliseconds since 1970."""
    return int(message["Attributes"]["SentTimestamp"])
