"""What the page can do besides looking: send a record, redrive dead letters, run a query, check the resources."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from analytics.history import run_query
from analytics.result import Result
from bootstrap import ResourceStatus, Settings, status
from console import text
from console.refresher import REFUSALS, Refresher, explain
from operations.deadletters import Redrive, redrive_all, redrive_one
from profiles.environment import queue_url
from runtime.clock import iso_utc
from runtime.contract import Contract
from runtime.fields import Field, InvalidRecordError, Record

_WHOLE = ("int", "bigint")
_Answer = TypeVar("_Answer")


class Actions:
    """Each action calls AWS in a thread. Where it fails it raises `RuntimeError` with one line for the person."""

    def __init__(self, refresher: Refresher, settings: Settings) -> None:
        self._refresher = refresher
        self._environment = refresher.environment
        self._settings = settings

    async def send(self, record: Record) -> str:
        """Send a record to the queue, as the producer does; what was done, in words."""
        environment = self._environment
        answer = await self._try(
            lambda: environment.aws.sqs.send_message(
                QueueUrl=queue_url(environment, environment.names.queue),
                MessageBody=environment.contract.encode(record),
            )
        )
        value = text.number(getattr(record, environment.contract.charted))
        return f"Sent {record.group} at {value}: SQS message {answer['MessageId']}"

    async def redrive(self, message_id: str | None) -> Redrive:
        """Send one dead letter back to the queue, or all."""
        if message_id is None:
            return await self._try(lambda: redrive_all(self._environment))
        return await self._try(lambda: redrive_one(self._environment, message_id))

    async def query(self, name: str, engine: str | None) -> Result:
        """Run a named query."""
        return await self._try(lambda: run_query(self._environment, name, engine))

    async def resources(self) -> Sequence[ResourceStatus]:
        """Every declared resource as it is."""
        return await self._try(lambda: status(self._environment, self._settings))

    async def _try(self, call: Callable[[], _Answer]) -> _Answer:
        """Call AWS, then read again at once."""
        try:
            return await asyncio.to_thread(call)
        except REFUSALS as error:
            raise RuntimeError(" ".join(part for part in explain(error, self._environment) if part)) from error
        finally:
            self._refresher.hurry()


def given_fields(contract: Contract[Any]) -> tuple[Field, ...]:
    """The fields that a person gives: not the id, the time, nor the run of a producer."""
    return tuple(one for one in contract.fields if one.name not in (contract.record.ID, "timestamp", "run"))


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
