"""From ticks to objects in the bucket, each created once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.bucket import Bucket
from pipeline.clock import Clock
from pipeline.deadline import Deadline
from pipeline.environment import Layout
from pipeline.tick import Tick, batch_key, encode_record, record_key, to_epoch_ms, to_record


@dataclass(frozen=True, slots=True)
class Received:
    """A valid tick and the message that brought it. `alert`: its price is at or above the threshold."""

    message_id: str
    sent_timestamp_ms: int
    tick: Tick
    alert: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: a latency for each tick that is stored now; `duplicates` = messages whose tick was stored before."""

    latencies_ms: tuple[int, ...]
    duplicates: int


class Store:
    """Writes objects of one layout into one bucket."""

    def __init__(self, bucket: Bucket, clock: Clock, layout: Layout) -> None:
        self._bucket = bucket
        self._clock = clock
        self._group: Callable[[Tick], str] = record_key if layout == "tick" else _symbol
        self._key: Callable[[list[Tick]], str] = _only_record_key if layout == "tick" else batch_key

    def objects(self, received: Iterable[Received]) -> list[list[Received]]:
        """Group messages so that each group is one object. The same tick twice is in one group twice."""
        groups: dict[str, list[Received]] = {}
        for item in received:
            groups.setdefault(self._group(item.tick), []).append(item)
        return list(groups.values())

    def put(self, group: list[Received], request_id: str, deadline: Deadline) -> Stored:
        """Create the object of one group. The object's metadata says which invocation made it, for tracing.

        Raises `OutOfTimeError`, or what boto3 raises: then the object isn't known to be stored.
        """
        unique: dict[str, Received] = {}
        for item in group:
            unique.setdefault(record_key(item.tick), item)
        items = sorted(unique.values(), key=lambda item: (item.tick.epoch_ms, item.tick.tick_id))
        now = self._clock.now()
        lines = (
            encode_record(
                to_record(item.tick, sent_timestamp_ms=item.sent_timestamp_ms, processed_at=now, alert=item.alert)
            )
            for item in items
        )
        etag = self._bucket.create(
            self._key([item.tick for item in items]),
            "".join(lines).encode(),
            {"request-id": request_id},
            deadline,
        )
        if etag is None:
            return Stored((), len(group))
        latencies = tuple(max(0, to_epoch_ms(now) - item.sent_timestamp_ms) for item in items)
        return Stored(latencies, len(group) - len(items))


def _symbol(tick: Tick) -> str:
    return tick.symbol


def _only_record_key(ticks: list[Tick]) -> str:
    return record_key(ticks[0])
