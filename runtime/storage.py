"""From records to objects in the bucket, each created once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic

from runtime.alerts import Rule
from runtime.bucket import Bucket
from runtime.clock import Clock, to_epoch_ms
from runtime.contract import Contract, R, moment
from runtime.deadline import Deadline


@dataclass(frozen=True, slots=True)
class Received(Generic[R]):
    """A valid record and the message that brought it, with the alert rules that apply to it."""

    message_id: str
    sent_timestamp_ms: int
    record: R
    rules: tuple[Rule[R, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One object: a latency for each record that is stored now; `duplicates` = messages whose record was there."""

    latencies_ms: tuple[int, ...]
    duplicates: int


@dataclass(frozen=True)
class Store(Generic[R]):
    """Writes objects of one layout (`record` or `batch`) into one bucket."""

    contract: Contract[R]
    bucket: Bucket
    clock: Clock
    layout: str

    def objects(self, received: Iterable[Received[R]]) -> list[list[Received[R]]]:
        """Group messages so that each group is one object. The same record twice is in one group twice."""
        groups: dict[str, list[Received[R]]] = {}
        for item in received:
            name = item.record.group if self.layout == "batch" else self.contract.key(item.record)
            groups.setdefault(name, []).append(item)
        return list(groups.values())

    def put(self, group: list[Received[R]], request_id: str, deadline: Deadline) -> Outcome:
        """Create the object of one group. The object's metadata says which invocation made it, for tracing.

        Raises `OutOfTimeError`, or what boto3 raises: then the object isn't known to be stored.
        """
        unique: dict[str, Received[R]] = {}
        for item in group:
            unique.setdefault(self.contract.key(item.record), item)
        items = sorted(unique.values(), key=lambda item: moment(item.record))
        now = self.clock.now()
        lines = (
            self.contract.encode_stored(
                item.record, sent_timestamp_ms=item.sent_timestamp_ms, processed_at=now, alert=bool(item.rules)
            )
            for item in items
        )
        records = [item.record for item in items]
        key = self.contract.batch_key(records) if self.layout == "batch" else self.contract.key(records[0])
        etag = self.bucket.create(key, "".join(lines).encode(), {"request-id": request_id}, deadline)
        if etag is None:
            return Outcome((), len(group))
        latencies = tuple(max(0, to_epoch_ms(now) - item.sent_timestamp_ms) for item in items)
        return Outcome(latencies, len(group) - len(items))
