"""Dead letters: listing them with their reasons, sending them back without losing any, and deleting them.

Sending back (redrive) has two ways. SQS's own message move task, where the endpoint has it:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
Else a copy: each message is sent to the queue first and deleted from the dead-letter queue only when SQS has accepted
it. If this is interrupted, a message is in one of the queues or in both. Both is harmless, because a record that is
stored twice has the same key. (A record without an id or a time takes them from its message. A copy would lose them, so
they are written into the copy.)
"""

import json
import math
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from operations.queues import PEEK_LIMIT, Held, browse, depth, peek, sent_ms
from profiles.environment import Environment, queue_url
from profiles.errors import CannotRunError
from runtime.contract import Contract
from runtime.fields import InvalidRecordError

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

# What endpoints without the move task answer: ministack, and others that don't know the action.
_NO_MOVE_TASK = ("InvalidAction", "UnknownOperationException", "UnsupportedOperation", "NotImplemented")
# What SQS answers while another redrive of the queue is under way.
_ALREADY_MOVING = "already a task running"
_MOVE_SECONDS = 60.0
_POLL_SECONDS = 0.5

# Bytes in one SendMessageBatch: AWS takes four times as much by now, other endpoints don't.
_BATCH_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that failed too often. `sent_ms`: when it was first sent, milliseconds since 1970.

    `record_id`: the id in the body, even if the body is not valid. `is_valid`: the message is a valid record, so the
    function's log has the reason.
    """

    message_id: str
    body: str
    reason: str
    sent_ms: int
    receive_count: int
    record_id: str | None = None
    is_valid: bool = False

    def is_called(self, some_id: str) -> bool:
        """Whether this is its message id or its record's id."""
        return some_id in (self.message_id, self.record_id)


@dataclass(frozen=True, slots=True)
class Redrive:
    """What a redrive did. `finished` is false where SQS's task still runs in the background."""

    moved: int
    way: Literal["task", "copy"]
    finished: bool = True


def list_dead_letters(
    environment: Environment, *, limit: int = PEEK_LIMIT, queue: str | None = None
) -> list[DeadLetter]:
    """Up to `limit` dead letters with their reasons, oldest first; none is consumed.

    `queue`: another dead-letter queue than that of the records' queue.
    """
    url = queue_url(environment, queue or environment.names.dead_letter_queue)
    return [_read(environment.contract, message) for message in peek(environment.aws, url, limit=limit)]


def read_all(environment: Environment, *, thorough: bool = False) -> Generator[DeadLetter, None, None]:
    """All dead letters, however many, each once; visible to others again when the iterator ends or is closed.

    As many as SQS counts; with `thorough`, until it has nothing more (`operations.queues.browse`).
    """
    url = queue_url(environment, environment.names.dead_letter_queue)
    with closing(browse(environment.aws, url, thorough=thorough)) as messages:
        yield from (_read(environment.contract, message) for message in messages)


def find(environment: Environment, *ids: str) -> DeadLetter | None:
    """The dead letter with one of these message ids or record ids."""
    with closing(read_all(environment, thorough=True)) as letters:
        return next((letter for letter in letters if any(map(letter.is_called, ids))), None)


def reason_of(contract: Contract[Any], message: "MessageTypeDef") -> str:
    """Why the data contract refuses a message; empty if it doesn't."""
    try:
        contract.parse(message["Body"], message_id=message["MessageId"], sent_timestamp_ms=sent_ms(message))
    except InvalidRecordError as error:
        return str(error)
    return ""


def redrive_all(environment: Environment) -> Redrive:
    """Send every dead letter back to the queue."""
    try:
        # With a destination, messages that were put into the dead-letter queue by hand can be moved, too.
        task = environment.aws.sqs.start_message_move_task(
            SourceArn=environment.names.dead_letter_queue_arn, DestinationArn=environment.names.queue_arn
        )["TaskHandle"]
    except ClientError as error:
        if _ALREADY_MOVING in str(error).lower():
            task = ""
        elif error.response["Error"]["Code"] in _NO_MOVE_TASK:
            return Redrive(_copy(environment, lambda _: True), "copy")
        else:
            raise CannotRunError(f"SQS refused to redrive {environment.names.dead_letter_queue}: {error}") from error
    return _await_task(environment, task)


def redrive_one(environment: Environment, some_id: str) -> Redrive:
    """Send one dead letter back, by message id or record id.

    Moved 0: it is no longer there, or AWS didn't return it this time.
    """
    return Redrive(
        _copy(environment, lambda message: _read(environment.contract, message).is_called(some_id), enough=1), "copy"
    )


def purge(environment: Environment) -> None:
    """Delete every dead letter, including those that arrive meanwhile.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html
    """
    try:
        environment.aws.sqs.purge_queue(QueueUrl=queue_url(environment, environment.names.dead_letter_queue))
    except environment.aws.sqs.exceptions.PurgeQueueInProgress as error:
        raise CannotRunError(
            f"{environment.names.dead_letter_queue} was purged in the last 60 s, and AWS takes one purge a minute: "
            "try again later"
        ) from error


def _read(contract: Contract[Any], message: "MessageTypeDef") -> DeadLetter:
    reason = reason_of(contract, message)
    return DeadLetter(
        message_id=message["MessageId"],
        body=message["Body"],
        reason=reason or f"a valid {contract.noun}: processing it failed",
        sent_ms=sent_ms(message),
        receive_count=int(message["Attributes"].get("ApproximateReceiveCount", "0")),
        record_id=contract.told_id(message["Body"]),
        is_valid=not reason,
    )


def _await_task(environment: Environment, task: str) -> Redrive:
    def look() -> Mapping[str, Any]:
        tasks = environment.aws.sqs.list_message_move_tasks(
            SourceArn=environment.names.dead_letter_queue_arn, MaxResults=10
        ).get("Results", [])
        # AWS gives the handle only while a task runs; the newest one comes first.
        return next((one for one in tasks if one.get("TaskHandle") == task), tasks[0] if tasks else {})

    found = Retrying(
        retry=retry_if_result(lambda answer: answer.get("Status") == "RUNNING"),
        stop=stop_after_delay(_MOVE_SECONDS),
        wait=wait_fixed(_POLL_SECONDS),
        retry_error_callback=lambda _: look(),
    )(look)
    moved, status = found.get("ApproximateNumberOfMessagesMoved", 0), found.get("Status")
    if status == "FAILED":
        queue, reason = environment.names.dead_letter_queue, found.get("FailureReason", "")
        raise CannotRunError(f"the redrive of {queue} stopped after {moved} messages: {reason}")
    return Redrive(moved, "task", finished=status != "RUNNING")


def _copy(environment: Environment, wanted: "Callable[[MessageTypeDef], bool]", enough: int | None = None) -> int:
    """Copy, then delete, at most as many messages as there are now: messages that fail again come back without end.

    If SQS counts none (its count may be a minute old), it goes on until SQS returns nothing more.
    """
    source = queue_url(environment, environment.names.dead_letter_queue)
    target = queue_url(environment, environment.names.queue)
    todo = depth(environment.aws, source).total or math.inf
    held = Held(environment.aws, source)
    moved = looked_at = 0
    try:
        while looked_at < todo and (enough is None or moved < enough):
            messages = held.receive()
            if not messages:
                break
            looked_at += len(messages)
            accepted = _move(environment, source, target, [message for message in messages if wanted(message)])
            held.forget(accepted)
            moved += len(accepted)
    finally:
        held.give_back()
    return moved


def _move(environment: Environment, source: str, target: str, messages: "list[MessageTypeDef]") -> list[str]:
    """Send, then delete; the ids of the messages that were moved. Where they don't fit into one call, one by one."""
    if not messages:
        return []
    if len(messages) > 1 and sum(map(_bytes, messages)) > _BATCH_BYTES:
        return [moved for one in messages for moved in _move(environment, source, target, [one])]
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {
            "Id": str(index),
            "MessageBody": _body(environment.contract, message),
            "MessageAttributes": _attributes(message),
        }
        for index, message in enumerate(messages)
    ]
    sent = environment.aws.sqs.send_message_batch(QueueUrl=target, Entries=entries)
    accepted = [messages[int(entry["Id"])] for entry in sent.get("Successful", [])]
    if accepted:
        handles = [message["ReceiptHandle"] for message in accepted]
        environment.aws.sqs.delete_message_batch(
            QueueUrl=source,
            Entries=[{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)],
        )
    return [message["MessageId"] for message in accepted]


def _bytes(message: "MessageTypeDef") -> int:
    attributes = message.get("MessageAttributes", {})
    texts = [message["Body"], *attributes, *(str(value) for value in attributes.values())]
    return sum(len(text.encode()) for text in texts)


def _body(contract: Contract[Any], message: "MessageTypeDef") -> str:
    """The body. If it is a record that takes its id or its time from the message, both are written into it."""
    body = message["Body"]
    try:
        record = contract.parse(body, message_id=message["MessageId"], sent_timestamp_ms=sent_ms(message))
    except InvalidRecordError:
        return body
    return body if {contract.record.ID, "timestamp"} <= json.loads(body).keys() else contract.encode(record)


def _attributes(message: "MessageTypeDef") -> "dict[str, MessageAttributeValueTypeDef]":
    """A received message's attributes as they may be sent: without the list fields, which SQS reserves."""
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    for name, value in message.get("MessageAttributes", {}).items():
        attributes[name] = {"DataType": value["DataType"]}
        if "StringValue" in value:
            attributes[name]["StringValue"] = value["StringValue"]
        if "BinaryValue" in value:
            attributes[name]["BinaryValue"] = value["BinaryValue"]
    return attributes
