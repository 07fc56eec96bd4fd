"""What the page can send: a record that a person has typed."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from profiles.environment import Environment, queue_url
from runtime.clock import iso_utc
from runtime.contract import Contract
from runtime.fields import Field, InvalidRecordError, Record

_WHOLE = ("int", "bigint")


@dataclass(frozen=True)
class Accepted:
    """A record that SQS has accepted."""

    record: Record
    message_id: str


def given_fields(contract: Contract[Any]) -> tuple[Field, ...]:
    """The fields that a person gives: not the id, the time, nor the run of a producer."""
    return contract.own_fields


def make_record(contract: Contract[Any], typed: Mapping[str, str | float | None]) -> Record:
    """A record of now from what was typed for the `given_fields`.

    Raises `InvalidRecordError` with what the data contract says about it.
    """
    values = {one.name: _value(one, typed.get(one.name)) for one in given_fields(contract)}
    record: Record = contract.make(
        {**values, contract.record.ID: f"console-{uuid.uuid4().hex}", "timestamp": iso_utc(datetime.now(UTC))}
    )
    return record


def _value(about: Field, typed: str | float | None) -> Any:
    """The JSON value. The page knows one kind of number; text that is wrong as typed is tried in capital letters."""
    if isinstance(typed, float) and about.sql_type in _WHOLE and typed.is_integer():
        return int(typed)
    if not isinstance(typed, str):
        return typed
    text = typed.strip()
    try:
        about.check(about.name, text)
    except InvalidRecordError:
        try:
            return about.check(about.name, text.upper())
        except InvalidRecordError:
            pass
    return text if text or about.required else None


def send_record(environment: Environment, record: Record) -> Accepted:
    """Send it to the queue, as the producer does."""
    answer = environment.aws.sqs.send_message(
        QueueUrl=queue_url(environment, environment.names.queue), MessageBody=environment.contract.encode(record)
    )
    return Accepted(record, answer["MessageId"])
