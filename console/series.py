"""Records, counters and their course over time, as plain values and arithmetic: no AWS, no page, no clock."""

from bisect import insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from operations.alerts import Alert
from operations.deadletters import DeadLetter
from runtime.contract import Stored, moment

POINTS_PER_GROUP: Final = 120
RATE_SECONDS: Final = 20.0
TREND_SECONDS: Final = 300.0

_Message = TypeVar("_Message", Alert, DeadLetter)


@dataclass(frozen=True, slots=True)
class Seen:
    """One stored record, the key of its object, and the value that charts show of it."""

    stored: Stored[Any]
    key: str
    value: float

    @property
    def moment(self) -> tuple[int, str]:
        """Sorts by event time."""
        return moment(self.stored.record)

    @property
    def processed_ms(self) -> int:
        """When the function built it, in milliseconds since 1970."""
        return self.stored.processed_ms


@dataclass
class Series:
    """The newest records of one group in the order of their events, at most `POINTS_PER_GROUP`."""

    group: str
    records: list[Seen] = field(default_factory=list)
    last_processed_ms: int = 0

    def add(self, record: Seen) -> None:
        """Put a record in its place; the one that was processed longest ago makes room."""
        if any(known.stored.record == record.stored.record for known in self.records):
            return
        insort(self.records, record, key=lambda known: known.moment)
        self.last_processed_ms = max(self.last_processed_ms, record.processed_ms)
        if len(self.records) > POINTS_PER_GROUP:
            self.records.remove(min(self.records, key=lambda known: (known.processed_ms, known.moment)))

    @property
    def last(self) -> Seen:
        """The latest event."""
        return self.records[-1]

    @property
    def change_percent(self) -> float | None:
        """From the first shown value to the last; None where the first is not above zero."""
        first = self.records[0].value
        return 100 * (self.last.value / first - 1) if first > 0 else None


@dataclass
class Counted:
    """A number that only matters by how fast it grows: its samples of the last minutes."""

    samples: deque[tuple[float, float]] = field(default_factory=deque)

    def sample(self, at: float, value: float) -> None:
        """The counter read `value` at the time `at`, in seconds."""
        if self.samples and self.samples[-1][0] == at:
            self.samples.pop()
        self.samples.append((at, value))
        while self.samples[0][0] < at - TREND_SECONDS:
            self.samples.popleft()

    def per_second(self) -> float | None:
        """Growth per second over the last `RATE_SECONDS`; None before there are two samples. Never negative."""
        if len(self.samples) < 2:
            return None
        last_at, last = self.samples[-1]
        at, first = next(sample for sample in self.samples if sample[0] >= last_at - RATE_SECONDS)
        if at == last_at:
            at, first = self.samples[-2]
        return max(0.0, (last - first) / (last_at - at))


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """What was true at one refresh: records per second, and milliseconds of latency."""

    at_ms: int
    sent: float
    stored: float
    p50: float | None
    p95: float | None


def percentile(values: Iterable[float], rank: int) -> float | None:
    """The smallest value that at least `rank` percent of all values do not exceed (nearest rank); None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-rank * len(ordered) // 100) - 1)] if ordered else None


def merged(known: list[_Message], seen: list[_Message], expected: int) -> list[_Message]:
    """The `expected` messages of a queue, oldest first, after a look into it.

    AWS may show a part of them at a time: then those that were known stay, too.
    """
    messages = {message.message_id: message for message in (known if len(seen) < expected else [])}
    messages |= {message.message_id: message for message in seen}
    return sorted(messages.values(), key=lambda message: message.sent_ms)[-expected:] if expected else []
