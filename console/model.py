"""What the console knows, as plain values and arithmetic: no AWS, no page, no clock of its own.

`Model` is changed only by the refresher's thread of control; pages read it. `version` says that something changed.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from operations.alerts import Alert
from operations.deadletters import DeadLetter
from operations.function_log import Invocation
from operations.queues import Depth
from runtime.contract import Stored, moment

POINTS_PER_GROUP: Final = 120
GROUPS_SHOWN: Final = 12
LATENCIES_KEPT: Final = 1000
LAST_RECORDS: Final = 50
RATE_SECONDS: Final = 20.0
TREND_SECONDS: Final = 300.0
PERCENTILES: Final = (50, 95, 99)


class _Message(Protocol):
    """What is shown of a queue that is only looked into."""

    @property
    def message_id(self) -> str: ...

    @property
    def sent_ms(self) -> int: ...


_AnyMessage = TypeVar("_AnyMessage", bound=_Message)


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


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What is known of the live function.

    `threshold`: the charted value from which on there are alerts; `mapping`: its event source mapping's state;
    `trouble`: what is wrong with what it is told.
    """

    threshold: float | None = None
    mapping: str = ""
    trouble: str = ""


@dataclass
class Series:
    """The newest records of one group in the order of their events, at most `POINTS_PER_GROUP`."""

    group: str
    records: list[Seen] = field(default_factory=list)
    last_processed_ms: int = 0

    def add(self, record: Seen) -> None:
        """Put a record where it belongs; the one that was processed longest ago makes room."""
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

    def forget(self) -> None:
        """Start again: after a gap, growth can't be told from what was missed."""
        self.samples.clear()


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """What was true at one refresh: records per second, messages waiting, milliseconds."""

    at_ms: int
    sent: float
    stored: float
    waiting: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no fresh data. `since_ms`: milliseconds since 1970."""

    text: str
    advice: str
    since_ms: int


@dataclass
class Model:
    """Everything that is shown. Figures that aren't known yet are None."""

    version: int = 0
    refreshed_ms: int = 0
    trouble: Trouble | None = None
    queue: Depth | None = None
    dead: Depth | None = None
    inbox: Depth | None = None
    function: FunctionFacts = field(default_factory=FunctionFacts)
    objects: int | None = None
    objects_are_more: bool = False
    records_read: int = 0
    objects_read: int = 0
    oldest_seconds: float | None = None
    unread: int = 0
    series: dict[str, Series] = field(default_factory=dict)
    last_records: list[Seen] = field(default_factory=list)
    latencies: deque[int] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    alerts: list[Alert] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    invocations: dict[str, Invocation] = field(default_factory=dict)
    invocations_total: int | None = None
    invocations_failed: int = 0
    sent_rate: Counted = field(default_factory=Counted)
    stored_rate: Counted = field(default_factory=Counted)
    invoked_rate: Counted = field(default_factory=Counted)
    dead_rate: Counted = field(default_factory=Counted)
    alert_rate: Counted = field(default_factory=Counted)
    trend: deque[TrendPoint] = field(default_factory=deque)

    @property
    def records_per_object(self) -> float:
        """One, and with the batch layout the mean of the objects that were read."""
        return self.records_read / self.objects_read if self.objects_read else 1.0

    @property
    def stored(self) -> int | None:
        """Stored records: objects, or with the batch layout an estimate from those that were read."""
        return None if self.objects is None else round(self.objects * self.records_per_object)

    @property
    def sent(self) -> int | None:
        """All records ever sent. Nothing is lost, so they are those waiting, in flight, stored and dead-lettered."""
        if self.stored is None or self.queue is None or self.dead is None:
            return None
        return self.stored + self.queue.total + self.dead.total

    @property
    def age_seconds(self) -> float | None:
        """How long the oldest message has been waiting: CloudWatch's figure, else how long the last ones had waited."""
        if self.queue is not None and self.queue.total == 0:
            return 0.0
        if self.oldest_seconds is not None:
            return self.oldest_seconds
        return max(list(self.latencies)[-20:], default=0) / 1000 or None

    def add_records(self, records: Iterable[Seen]) -> None:
        """Records that were read from the bucket, each object's all at once."""
        records = list(records)
        self.records_read += len(records)
        self.objects_read += len({record.key for record in records})
        for record in sorted(records, key=lambda record: record.processed_ms):
            group = record.stored.record.group
            self.series.setdefault(group, Series(group)).add(record)
            self.latencies.append(record.stored.latency_ms)
            self.last_records.append(record)
        self.last_records = sorted(self.last_records, key=lambda record: record.processed_ms)[-LAST_RECORDS:]

    def shown_series(self) -> list[Series]:
        """The groups that were written last, at most `GROUPS_SHOWN`, by name so that charts stay in their place."""
        newest = sorted(self.series.values(), key=lambda series: series.last_processed_ms)[-GROUPS_SHOWN:]
        return sorted(newest, key=lambda series: series.group)

    def keep_only(self, keys: Set[str]) -> None:
        """Objects were deleted from the bucket: forget the records that were in them."""
        self.last_records = [record for record in self.last_records if record.key in keys]
        for group, series in list(self.series.items()):
            series.records = [record for record in series.records if record.key in keys]
            if not series.records:
                del self.series[group]

    def see_alerts(self, seen: list[Alert], expected: int) -> None:
        """What a look into the inbox showed, of `expected` messages."""
        self.alerts = _merge(self.alerts, seen, expected)

    def see_dead_letters(self, seen: list[DeadLetter], expected: int) -> None:
        """What a look into the dead-letter queue showed, of `expected` messages."""
        self.dead_letters = _merge(self.dead_letters, seen, expected)

    def add_invocations(self, invocations: Iterable[Invocation]) -> None:
        """Invocations out of the log; the log is read with an overlap, so the same one may come twice."""
        new = [invocation for invocation in invocations if invocation.request_id not in self.invocations]
        self.invocations |= {invocation.request_id: invocation for invocation in new}
        self.invocations_total = (self.invocations_total or 0) + len(new)
        self.invocations_failed += sum(invocation.failed for invocation in new)
        for request_id in list(self.invocations)[:-LATENCIES_KEPT]:
            del self.invocations[request_id]

    def sample(self, at: float, at_ms: int) -> None:
        """Take the rates of now: `at` in seconds of a clock that never jumps, `at_ms` of the calendar."""
        for counter, value in (
            (self.sent_rate, self.sent),
            (self.stored_rate, self.stored),
            (self.dead_rate, self.dead.total if self.dead else None),
            (self.alert_rate, self.inbox.total if self.inbox else None),
        ):
            if value is not None:
                counter.sample(at, value)
        p50, p95, _ = self.latency_percentiles()
        if self.queue is not None:
            self.trend.append(
                TrendPoint(
                    at_ms,
                    self.sent_rate.per_second() or 0.0,
                    self.stored_rate.per_second() or 0.0,
                    self.queue.waiting,
                    p50,
                    p95,
                )
            )
        while self.trend and self.trend[0].at_ms < at_ms - TREND_SECONDS * 1000:
            self.trend.popleft()

    def forget_rates(self) -> None:
        """After a time without refreshes, growth is no rate."""
        for counter in (self.sent_rate, self.stored_rate, self.invoked_rate, self.dead_rate, self.alert_rate):
            counter.forget()

    def latency_percentiles(self) -> tuple[float | None, ...]:
        """p50, p95 and p99 of the milliseconds from SQS accepting a message to its processing, of the last records."""
        return tuple(percentile(self.latencies, rank) for rank in PERCENTILES)

    def duration_percentiles(self) -> tuple[float | None, ...]:
        """p50, p95 and p99 of the function's duration in milliseconds, of the last invocations."""
        durations = [invocation.duration_ms for invocation in self.invocations.values()]
        return tuple(percentile(durations, rank) for rank in PERCENTILES)


def percentile(values: Iterable[float], rank: int) -> float | None:
    """The smallest value that `rank` percent of all are not above (nearest rank); None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-rank * len(ordered) // 100) - 1)] if ordered else None


def _merge(known: list[_AnyMessage], seen: list[_AnyMessage], expected: int) -> list[_AnyMessage]:
    """What a queue holds. AWS may show a part of it at a time: then what was known stays, too. Oldest first."""
    messages = {message.message_id: message for message in (known if len(seen) < expected else [])}
    messages |= {message.message_id: message for message in seen}
    return sorted(messages.values(), key=lambda message: message.sent_ms)[-expected:] if expected else []
