"""Which ticks are in the dead-letter queue: all of its messages, however many, read without consuming any."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from operations.deadletters import VALID_TICK, reason_of
from operations.queues import depth, give_back, receive
from profiles.session import Aws

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef


@dataclass(frozen=True, slots=True)
class DeadTick:
    """A message that failed too often. `tick_id` is None where its body doesn't tell one."""

    message_id: str
    tick_id: str | None
    reason: str


def read(aws: Aws, queue_url: str, *, max_receive_count: int, thorough: bool) -> Iterator[DeadTick]:
    """All dead letters, each once, with its reason; visible to others again when the iterator ends or is closed.

    SQS hands out samples, so it is asked until as many are seen as it counts. Its counts may be a minute old: with
    `thorough` it is asked until it has nothing more.
    """
    total = depth(aws, queue_url).total
    held: dict[str, MessageTypeDef] = {}
    try:
        while (len(held) < total or thorough) and (messages := receive(aws, queue_url)):
            new = [message for message in messages if message["MessageId"] not in held]
            held |= {message["MessageId"]: message for message in messages}
            for message in new:
                yield _dead_tick(message, max_receive_count)
    finally:
        give_back(aws, queue_url, list(held.values()))


def _dead_tick(message: "MessageTypeDef", max_receive_count: int) -> DeadTick:
    reason = reason_of(message)
    if reason == VALID_TICK:
        reason = f"valid, but failed {max_receive_count} times: see the function's logs"
    return DeadTick(message["MessageId"], _tick_id(message), reason)


def _tick_id(message: "MessageTypeDef") -> str | None:
    """The id that the body tells, though it may be invalid otherwise."""
    try:
        tick_id = json.loads(message["Body"])["tick_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return tick_id if isinstance(tick_id, str) else None
