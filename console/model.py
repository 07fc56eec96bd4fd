"""What is known of the pipeline, and how it is read: through AWS APIs, with the chosen profile, changing nothing.

`Model` is what all faces show, the console's pages and the demo alike. `Sources.read` calls AWS in any thread and
yields updates; whoever shows the model applies them, in its own thread. So a new figure has a field in `Model`, a line
in `Sources.read`, and its place on a face.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from console.listing import ReadingList, RecordListing, seen
from console.series import TREND_SECONDS, Counted, Seen, Series, TrendPoint, merged, percentile
from operations.alerts import Alert, peek_inbox
from operations.deadletters import DeadLetter, list_dead_letters
from operations.function_log import Invocation, failures_of, read_invocations
from operations.live_function import read_configuration, read_mapping, read_variables
from operations.queues import Depth, depth, oldest_message_seconds
from operations.records import read_object, side_by_side
from profiles.environment import Environment, queue_url, up_command
from profiles.errors import CannotRunError
from runtime.clock import Clock
from runtime.settings import ConfigurationError

GROUPS_SHOWN: Final = 12
LATENCIES_KEPT: Final = 1000
LAST_RECORDS: Final = 50
PERCENTILES: Final = (50, 95, 99)

FACTS_SECONDS: Final = 30.0
LOG_SECONDS: Final = 5.0
AGE_SECONDS: Final = 60.0
PEEK_SECONDS: Final = 60.0
LOG_LOOK_BACK_MS: Final = 300_000  # at first
_LOG_OVERLAP_MS: Final = 15_000  # log events may arrive late
_LARGEST_OBJECT: Final = 16_000_000  # bytes that are read of one object; the function writes less
_EXPLAINED_AT_ONCE: Final = 5  # each is a search in the log


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What is known of the live function.

    `threshold`: the charted value from which on there are alerts; `mapping`: its event source mapping's state;
    `trouble`: which of its variables is wrong.
    """

    threshold: float | None = None
    mapping: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no fresh data. `since_ms`: milliseconds since 1970."""

    text: str
    advice: str
    since_ms: int


@dataclass(slots=True)
class Model:
    """Everything that is shown. Figures that aren't known yet are None. `version` says that something changed.

    `objects_before`: how many objects in the bucket are not counted as stored.
    """

    version: int = 0
    refreshed_ms: int = 0
    trouble: Trouble | None = None
    queue: Depth | None = None
    dead: Depth | None = None
    inbox: Depth | None = None
    function: FunctionFacts = field(default_factory=FunctionFacts)
    objects: int | None = None
    objects_before: int = 0
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
    rates: Mapping[str, Counted] = field(default_factory=lambda: {name: Counted() for name in _COUNTERS})
    trend: deque[TrendPoint] = field(default_factory=deque)

    @property
    def records_per_object(self) -> float:
        """One, and with the batch layout the mean of the objects that were read."""
        return self.records_read / self.objects_read if self.objects_read else 1.0

    @property
    def stored(self) -> int | None:
        """Stored records: objects, or with the batch layout an estimate from those that were read."""
        if self.objects is None:
            return None
        return round(max(0, self.objects - self.objects_before) * self.records_per_object)

    @property
    def sent(self) -> int | None:
        """All records ever sent. Nothing is lost, so they are those waiting, in flight, stored and dead-lettered."""
        if self.stored is None or self.queue is None or self.dead is None:
            return None
        return self.stored + self.queue.total + self.dead.total

    @property
    def age_ms(self) -> float | None:
        """How long the oldest message has been waiting: CloudWatch's figure, else how long the last ones had waited."""
        if self.queue is not None and self.queue.total == 0:
            return 0
        if self.oldest_seconds is not None:
            return self.oldest_seconds * 1000
        return max(list(self.latencies)[-20:], default=None)

    def put(self, **figures: Any) -> None:
        """Set fields by their names."""
        for name, value in figures.items():
            setattr(self, name, value)

    def add_records(self, records: Iterable[Seen]) -> None:
        """Records that were read from the bucket, each object's all at once."""
        records = sorted(records, key=lambda record: record.processed_ms)
        self.records_read += len(records)
        self.objects_read += len({record.key for record in records})
        for record in records:
            group = record.stored.record.group
            self.series.setdefault(group, Series(group)).add(record)
            self.latencies.append(record.stored.latency_ms)
        self.last_records = sorted([*self.last_records, *records], key=lambda one: one.processed_ms)[-LAST_RECORDS:]

    def shown_series(self) -> list[Series]:
        """The groups that were written last, at most `GROUPS_SHOWN`, by name so that charts stay in their place."""
        newest = sorted(self.series.values(), key=lambda series: series.last_processed_ms)[-GROUPS_SHOWN:]
        return sorted(newest, key=lambda series: series.group)

    def count_objects(self, keys: Set[str], *, are_more: bool) -> None:
        """The objects in the bucket, or as many as are remembered. Records of deleted objects are forgotten."""
        if self.objects is not None and len(keys) < self.objects and not are_more:
            self.last_records = [record for record in self.last_records if record.key in keys]
            for series in self.series.values():
                series.records = [record for record in series.records if record.key in keys]
            self.series = {group: series for group, series in self.series.items() if series.records}
        self.objects, self.objects_are_more = len(keys), are_more

    def add_invocations(self, invocations: Iterable[Invocation]) -> None:
        """Invocations out of the log; the log is read with an overlap, so the same one may come twice."""
        new = [invocation for invocation in invocations if invocation.request_id not in self.invocations]
        self.invocations |= {invocation.request_id: invocation for invocation in new}
        self.invocations_total = (self.invocations_total or 0) + len(new)
        self.invocations_failed += sum(invocation.failed for invocation in new)
        for request_id in list(self.invocations)[:-LATENCIES_KEPT]:
            del self.invocations[request_id]

    def per_second(self, counter: str) -> float | None:
        """How fast one of the counters `sent`, `invocations`, `stored`, `dead` and `alerts` grows; None: unknown."""
        return self.rates[counter].per_second()

    def sample(self, at: float, at_ms: int) -> None:
        """Take the rates of now: `at` in seconds of a clock that never jumps, `at_ms` of the calendar."""
        for name, count in _COUNTERS.items():
            if (value := count(self)) is not None:
                self.rates[name].sample(at, value)
        p50, p95, _ = self.latency_percentiles()
        if self.queue is not None:
            sent, stored = (round(self.per_second(name) or 0.0, 2) for name in ("sent", "stored"))
            self.trend.append(TrendPoint(at_ms, sent, stored, p50, p95))
        while self.trend and self.trend[0].at_ms < at_ms - TREND_SECONDS * 1000:
            self.trend.popleft()

    def forget_rates(self) -> None:
        """After a time without refreshes, growth is no rate."""
        for counter in self.rates.values():
            counter.samples.clear()

    def latency_percentiles(self) -> tuple[float | None, ...]:
        """p50, p95 and p99 of the milliseconds from SQS accepting a message to its processing, of the last records."""
        return tuple(percentile(self.latencies, rank) for rank in PERCENTILES)

    def median_duration_ms(self) -> float | None:
        """How long the function ran, of the last invocations."""
        return percentile((invocation.duration_ms for invocation in self.invocations.values()), 50)


# What is sampled at each refresh, to show how fast it grows.
_COUNTERS: Final[Mapping[str, Callable[[Model], int | None]]] = {
    "sent": lambda model: model.sent,
    "invocations": lambda model: model.invocations_total,
    "stored": lambda model: model.stored,
    "dead": lambda model: model.dead.total if model.dead else None,
    "alerts": lambda model: model.inbox.total if model.inbox else None,
}

Update = Callable[[Model], None]


class Sources:
    """Reads one environment. Not for two threads at once.

    `since_ms`: what was sent earlier is counted in queues and bucket, but not read. Milliseconds since 1970.
    """

    def __init__(self, environment: Environment, clock: Clock, *, since_ms: int = 0) -> None:
        self.environment = environment
        self.clock = clock
        self._listing = RecordListing(environment)
        self._since_ms = since_ms
        self._unread = ReadingList(since_ms)
        self._urls: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._due: dict[str, float] = {}
        self._peeked: dict[str, Depth] = {}
        self._log_since_ms = clock.now_ms() - LOG_LOOK_BACK_MS

    def read(self) -> Iterator[Update]:
        """Call AWS for what is due. Raises what boto3 raises; what was yielded before that is true."""
        environment = self.environment
        queue, dead, inbox = self._depths()
        yield partial(Model.put, queue=queue, dead=dead, inbox=inbox)
        yield from self._records()
        if self._is_due("facts", FACTS_SECONDS):
            yield partial(Model.put, function=self._function_facts())
        if self._is_due("log", LOG_SECONDS):
            yield self._invocations()
        if self._is_due("age", AGE_SECONDS):
            yield partial(Model.put, oldest_seconds=oldest_message_seconds(environment, self.clock.now()))
        if self._is_worth_a_look("alerts", inbox):
            alerts = [alert for alert in peek_inbox(environment) if alert.sent_ms >= self._since_ms]
            yield lambda model: model.put(alerts=merged(model.alerts, alerts, inbox.total))
        if self._is_worth_a_look("dead letters", dead):
            letters = self._dead_letters()
            yield lambda model: model.put(dead_letters=merged(model.dead_letters, letters, dead.total))

    def hurry(self) -> None:
        """Everything is due."""
        self._due.clear()
        self._peeked.clear()

    def _is_due(self, name: str, seconds: float) -> bool:
        now = self.clock.monotonic()
        if now < self._due.get(name, float("-inf")):
            return False
        self._due[name] = now + seconds
        return True

    def _is_worth_a_look(self, name: str, depth: Depth) -> bool:
        """When the count changed, and now and then while there is something: AWS may show a part at a time."""
        changed = self._peeked.get(name) != depth
        self._peeked[name] = depth
        return changed or (depth.total > 0 and self._is_due(name, PEEK_SECONDS))

    def _depths(self) -> list[Depth]:
        """The records' queue, the dead-letter queue and the inbox."""
        names, aws = self.environment.names, self.environment.aws
        try:
            for name in (names.queue, names.dead_letter_queue, names.inbox_queue):
                self._urls[name] = self._urls.get(name) or queue_url(self.environment, name)
            return [depth(aws, url) for url in self._urls.values()]
        except ClientError:
            self._urls.clear()  # a queue that was made again may have another URL
            raise

    def _records(self) -> Iterator[Update]:
        """New records, read concurrently, and how many objects there are."""
        listing, unread, contract = self._listing, self._unread, self.environment.contract
        unread.add(listing.find())
        objects = side_by_side(lambda key: read_object(self.environment, key, _LARGEST_OBJECT), unread.take())
        records = [one for _, (found, _) in objects for one in seen(contract, found)]
        new = [record for record in records if record.stored.sent_ms >= self._since_ms]
        yield partial(Model.add_records, records=new)
        yield partial(Model.put, unread=len(unread))
        if listing.complete:
            yield partial(Model.count_objects, keys=listing.known, are_more=listing.full)

    def _function_facts(self) -> FunctionFacts:
        """The live function's settings, and the state of its event source mapping."""
        environment, names = self.environment, self.environment.names
        mapping = read_mapping(environment, names.queue, names.function)
        state = mapping.get("State", "") if mapping else "no mapping"
        configuration = read_configuration(environment, names.function)
        if configuration is None:
            raise CannotRunError(f"there is no function {names.function}; run: {up_command(environment)}")
        try:
            told = read_variables(environment, configuration).settings
        except ConfigurationError as error:
            return FunctionFacts(mapping=state, trouble=str(error))
        limits = [limit for rule in environment.pipeline.rules if (limit := rule.limit(told)) is not None]
        return FunctionFacts(threshold=min(limits, default=None), mapping=state)

    def _invocations(self) -> Update:
        invocations = read_invocations(self.environment, since_ms=self._log_since_ms)
        newest = max((invocation.at_ms for invocation in invocations), default=0)
        self._log_since_ms = max(self._log_since_ms, newest - _LOG_OVERLAP_MS)
        return lambda model: model.add_invocations(invocations)

    def _dead_letters(self) -> list[DeadLetter]:
        """What is in the dead-letter queue. Why a valid one failed is in the function's log, if it is still there."""
        letters, reasons = list_dead_letters(self.environment), self._reasons
        unknown = [letter for letter in letters if letter.is_valid and letter.message_id not in reasons]
        for letter in unknown[-_EXPLAINED_AT_ONCE:]:
            message_id = letter.message_id
            failures = failures_of(self.environment, message_id=message_id, record_id=None, since_ms=letter.sent_ms)
            if failures:
                reasons[message_id] = failures[-1].reason
        return [
            replace(letter, reason=f"{letter.reason}: {why}") if (why := reasons.get(letter.message_id)) else letter
            for letter in letters
        ]
