"""One run of the producer: ticks from a source, paced, in batches to SQS, and each accepted one into the manifest."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.tick import Tick
from producer import manifest as manifests
from producer.clock import Clock, SystemClock
from producer.manifest import ManifestWriter, Sent
from producer.market import Market
from producer.replay import Replay
from producer.sender import BATCH_SIZE, Failure, Sender
from profiles.environment import queue_url
from profiles.names import Names
from profiles.session import Aws

MAX_HOLD_SECONDS = 0.1  # the longest that a tick waits for others to fill its batch
MAX_FAILURES_KEPT = 1000


@dataclass(frozen=True)
class Source:
    """Where the ticks of a run come from.

    `run` names it; `speed` is seconds of event time per second, None as fast as possible; `total` is about the number
    of ticks, where it is known, for a progress bar.
    """

    run: str
    ticks: Iterable[Tick]
    speed: float | None
    total: int | None


def simulated(market: Market, *, count: int | None = None, speed: float | None = 1.0) -> Source:
    """Ticks of a simulated market, in real time unless told otherwise; without `count` they never end."""
    return Source(market.run, islice(market.ticks(), count), speed, count)


def replayed(replay: Replay, *, count: int | None = None, speed: float | None = None) -> Source:
    """Ticks of a file, or its first `count`; as fast as possible unless told otherwise."""
    totals = [total for total in (count, replay.estimate()) if total is not None]
    return Source(replay.run, islice(replay.ticks(), count), speed, min(totals, default=None))


@dataclass(frozen=True)
class Summary:
    """What a run did. `skipped` ticks were in the manifest already; `failures` holds the first thousand failed ones.

    `manifest` is where the accepted ticks are; a new run that sent nothing made no file there.
    """

    run: str
    sent: int
    failed: int
    skipped: int
    seconds: float
    manifest: Path
    failures: tuple[Failure, ...]

    @property
    def rate(self) -> float:
        """Accepted ticks per second."""
        return self.sent / self.seconds if self.seconds else 0.0

    @property
    def line(self) -> str:
        """The summary for a person."""
        return f"sent {self.sent:,} ticks in {self.seconds:.1f} s ({self.rate:,.1f}/s), failed {self.failed:,}, " + (
            f"manifest {self.manifest}" if self.sent or self.skipped else "no manifest"
        )


class Production:
    """A run of the producer: call `run` once, from any thread; watch `sent` and `failed`; set `stop` to end it.

    `on_tick` is called for each accepted tick, from one of the sender's threads, after the tick is in the manifest.
    `manifest` defaults to a new file in the environment's folder, made with the first accepted tick; with `resume` to
    the last one of the same source, and ticks that are in it are skipped. Raises `CannotRunError` where there is no
    queue or no such manifest.
    """

    def __init__(
        self,
        aws: Aws,
        names: Names,
        source: Source,
        *,
        manifest: Path | None = None,
        resume: bool = False,
        stop: threading.Event | None = None,
        on_tick: Callable[[Sent], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.source = source
        self.stop = stop or threading.Event()
        self._sqs = aws.sqs
        self._queue_url = queue_url(aws, names, names.queue)
        self._clock = clock or SystemClock()
        self._on_tick = on_tick
        self._lock = threading.Lock()
        self.sent = 0
        self.failed = 0
        self.skipped = 0
        self._failures: list[Failure] = []
        self._began: float | None = None
        self._seconds: float | None = None
        if manifest is None and resume:
            manifest = manifests.latest_path(aws.profile, names, source.run)
        self.resumed = bool(resume and manifest and manifest.exists())
        self.manifest = manifest or manifests.new_path(aws.profile, names, source.run)
        self._resume = resume

    @property
    def seconds(self) -> float:
        """How long it has been running, or ran."""
        if self._began is None:
            return 0.0
        return self._seconds if self._seconds is not None else self._clock.monotonic() - self._began

    def summary(self) -> Summary:
        """What it did so far. Complete once `run` has returned or raised."""
        with self._lock:
            return Summary(
                self.source.run,
                self.sent,
                self.failed,
                self.skipped,
                self.seconds,
                self.manifest,
                tuple(self._failures),
            )

    def run(self) -> Summary:
        """Send until the source ends or `stop` is set; everything on its way is finished first.

        An error of the source (a bad line in a file) is raised after all ticks before it were sent.
        """
        with ManifestWriter(self.manifest, resume=self._resume) as writer:
            done = manifests.sent_ids(self.manifest) if self.resumed else set()
            self._began = self._clock.monotonic()
            try:
                with Sender(
                    self._sqs,
                    self._queue_url,
                    accepted=lambda sent: self._accept(writer, sent),
                    failed=self._fail,
                    clock=self._clock,
                    stop=self.stop,
                ) as sender:
                    self._dispatch(self._unsent(done), sender)
            finally:
                self._seconds = self._clock.monotonic() - self._began
        return self.summary()

    def _unsent(self, done: set[str]) -> Iterator[Tick]:
        for tick in self.source.ticks:
            if tick.tick_id in done:
                self.skipped += 1
            else:
                yield tick

    def _dispatch(self, ticks: Iterator[Tick], sender: Sender) -> None:
        """Hand ticks over when they are due, in batches that are full or that no other tick can join in time."""
        batch: list[Tick] = []
        closes = 0.0  # when the batch at hand has to go
        due = _Pace(self.source.speed, self._clock).due
        try:
            for tick in ticks:
                moment = due(tick)
                if batch and moment > closes:
                    full, batch = batch, []
                    sender.submit(full)
                while (now := self._clock.monotonic()) < moment and not self.stop.is_set():
                    self._clock.wait(self.stop, moment - now)
                if self.stop.is_set():
                    return
                if not batch:
                    closes = max(now, moment) + MAX_HOLD_SECONDS
                batch.append(tick)
                if len(batch) == BATCH_SIZE:
                    full, batch = batch, []
                    sender.submit(full)
        finally:
            if batch:
                sender.submit(batch)

    def _accept(self, writer: ManifestWriter, sent: Sequence[Sent]) -> None:
        writer.append(sent)
        with self._lock:
            self.sent += len(sent)
        if self._on_tick:
            for each in sent:
                self._on_tick(each)

    def _fail(self, failures: Sequence[Failure]) -> None:
        with self._lock:
            self.failed += len(failures)
            self._failures.extend(failures[: MAX_FAILURES_KEPT - len(self._failures)])


class _Pace:
    """When each tick is due. Always counted from the first tick, so that delays don't add up."""

    def __init__(self, speed: float | None, clock: Clock) -> None:
        self._speed = speed
        self._began = clock.monotonic()
        self._first: float | None = None

    def due(self, tick: Tick) -> float:
        """The moment, on the monotonic clock, at which to send a tick."""
        if self._speed is None:
            return self._began
        event_time = tick.event_time.timestamp()
        if self._first is None:
            self._first = event_time
        return self._began + (event_time - self._first) / self._speed
