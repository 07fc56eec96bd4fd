"""Sending a record that a person has typed."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from console import text
from profiles.environment import Environment, queue_url
from runtime.clock import iso_utc
from runtime.contract import Contract
from runtime.fields import Field, InvalidRecordError, Record

_WHOLE = ("int", "bigint")


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
    given = typed.strip()
    try:
        about.check(about.name, given)
    except InvalidRecordError:
        try:
            return about.check(about.name, given.upper())
        except InvalidRecordError:
            pass
    return given if given or about.required else None


def send_record(environment: Environment, record: Record) -> str:
    """Send it to the queue, as the producer does; what was done, in words."""
    contract = environment.contract
    answer = environment.aws.sqs.send_message(
        QueueUrl=queue_url(environment, environment.names.queue), MessageBody=contract.encode(record)
    )
    value = text.number(getattr(record, contract.charted))
    return f"Sent {record.group} at {value}: SQS message {answer['MessageId']}"
