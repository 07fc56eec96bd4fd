"""One run of the producer: records from a source, paced, in batches to SQS, and each accepted one into the manifest."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from producer import manifest as manifests
from producer.manifest import ManifestWriter, NotWrittenError, Sent
from producer.replay import Replay
from producer.sender import BATCH_SIZE, CLIENT_SETTINGS, Sender, Unsent
from producer.simulation import Simulation
from profiles.environment import Environment, queue_url
from profiles.errors import CannotRunError
from runtime.clock import Clock
from runtime.contract import Contract
from runtime.fields import RUN, InvalidRecordError, Record, values_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_HOLD_SECONDS = 0.1  # the longest that a record waits for others to fill its batch
MAX_FAILURES_KEPT = 1000
LATE_SECONDS = 5.0  # how far a run with a time limit may fall behind before it is stopped


@dataclass(frozen=True)
class Source:
    """Where the records of a run come from.

    `run` names it; `speed` is seconds of event time per second, None: as fast as possible; `total` is the approximate
    number of records, if known, for a progress bar. `seconds` limits how long it takes to send them, None: no limit.
    """

    run: str
    records: Iterable[Record]
    speed: float | None
    total: int | None
    seconds: float | None = None


def simulated(
    simulation: Simulation, *, count: int | None = None, duration: float | None = None, speed: float | None = 1.0
) -> Source:
    """Simulated records, in real time unless told otherwise; without `count` and `duration` they never end.

    `duration` is in seconds of event time. It limits the run's own time, too, unless that is as fast as possible.
    """
    within = None if duration is None else round(duration * simulation.rate)
    count = min((limit for limit in (count, within) if limit is not None), default=None)
    seconds = duration / speed if duration is not None and speed is not None else None
    return Source(simulation.run, islice(simulation.records(), count), speed, count, seconds)


def replayed(replay: Replay, *, count: int | None = None, speed: float | None = None) -> Source:
    """Records of a file, or its first `count`; as fast as possible unless told otherwise."""
    totals = [total for total in (count, replay.estimate()) if total is not None]
    return Source(replay.run, islice(replay.records(), count), speed, min(totals, default=None))


@dataclass(frozen=True)
class Summary:
    """What a run did. `skipped` records were in the manifest already; `failures` holds the first thousand failed ones.

    `manifest` is where the accepted records are; a new run that sent nothing made no file there.
    """

    run: str
    sent: int
    failed: int
    skipped: int
    seconds: float
    manifest: Path
    failures: tuple[Unsent, ...]

    @property
    def rate(self) -> float:
        """Accepted records per second."""
        return self.sent / self.seconds if self.seconds else 0.0

    def line(self, contract: Contract[Any]) -> str:
        """The summary for a person."""
        return (
            f"sent {self.sent:,} {contract.plural} in {self.seconds:.1f} s ({self.rate:,.1f}/s), "
            f"failed {self.failed:,}, " + (f"manifest {self.manifest}" if self.sent or self.skipped else "no manifest")
        )


class Production:
    """A run of the producer: call `run` once, from any thread; watch `sent` and `failed`; set `stop` to end it.

    After `stop` it takes at most five seconds longer (`sender.FINISH_SECONDS`); `abandon` ends it at once.

    Each record carries the source's `run`, if its contract has that field. `on_record` is called for each accepted
    record, from one of the sender's threads, after the record is in the manifest. `manifest` defaults to a new file in
    the environment's folder, made with the first accepted record; with `resume` to the last one of the same source, and
    records that are in it are skipped. Raises `CannotRunError` if there is no queue or no such manifest.
    """

    def __init__(
        self,
        environment: Environment,
        source: Source,
        *,
        manifest: Path | None = None,
        resume: bool = False,
        stop: threading.Event | None = None,
        on_record: Callable[[Sent], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.source = source
        self.stop = stop or threading.Event()
        self._contract = environment.contract
        self._sqs: SQSClient = environment.aws.own_client("sqs", **CLIENT_SETTINGS)
        self._queue_url = queue_url(environment, environment.names.queue)
        self._clock = clock or Clock()
        self._on_record = on_record
        self._lock = threading.Lock()
        self.sent = 0
        self.failed = 0
        self.skipped = 0
        self._handed_over = 0
        self._not_written = 0
        self._failures: list[Unsent] = []
        self._sender: Sender | None = None
        self._writer: ManifestWriter | None = None
        self._began: float | None = None
        self._seconds: float | None = None
        if manifest is None and resume:
            manifest = manifests.latest_path(environment, source.run)
        self.manifest = manifest or manifests.new_path(environment, source.run)
        self.resumed = resume and manifests.exists(self.manifest)
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
        """Send until the source ends or `stop` is set; requests in flight are finished first.

        An error of the source (a bad line in a file) is raised after all records before it were sent. Raises
        `CannotRunError` where SQS or the manifest stops the run, or where a record is unaccounted for.
        """
        with ManifestWriter(self.manifest, resume=self._resume) as writer:
            self._writer = writer
            done = manifests.sent_ids(self.manifest, self._contract) if self.resumed else set()
            self._began = self._clock.monotonic()
            seconds = self.source.seconds
            stop_at = None if seconds is None else self._began + seconds + LATE_SECONDS
            try:
                with Sender(
                    self._sqs,
                    self._queue_url,
                    self._contract,
                    accepted=lambda sent: self._accept(writer, sent),
                    failed=self._fail,
                    clock=self._clock,
                    stop=self.stop,
                    stop_at=stop_at,
                ) as sender:
                    self._sender = sender
                    complete = self._dispatch(self._unsent(done), sender)
            except NotWrittenError as error:
                raise CannotRunError(
                    f"{error}. SQS accepted {self._not_written} {self._contract.plural} that are not in it. When there "
                    "is space for the manifest, --resume sends them again with the same ids"
                ) from error
            finally:
                self._seconds = self._clock.monotonic() - self._began
        self._account()
        if sender.late and not (complete and not self.failed):
            raise CannotRunError(
                f"stopped {LATE_SECONDS:g} s after the end of --duration: SQS had not accepted all "
                f"{self._contract.plural}. Send the rest with --resume"
            )
        return self.summary()

    def abandon(self) -> None:
        """End the run at once: records in flight count as failed, and the manifest has whole lines."""
        self.stop.set()
        if self._sender:
            self._sender.abandon()
        if self._writer:
            self._writer.close()

    def _account(self) -> None:
        """Check that every record of the source was sent, failed or skipped. Any other would be lost unnoticed."""
        unknown = self._handed_over - self.sent - self.failed
        if unknown:
            raise CannotRunError(
                f"{unknown} {self._contract.plural} are unaccounted for: of {self._handed_over + self.skipped}, "
                f"{self.sent} were sent, {self.failed} failed and {self.skipped} were skipped. "
                "This is a defect of the producer"
            )

    def _unsent(self, done: set[str]) -> Iterator[Record]:
        for record in self.source.records:
            if record.id in done:
                self.skipped += 1
                continue
            try:
                yield self._contract.make({**values_of(record), RUN: self.source.run})
            except InvalidRecordError as error:
                raise CannotRunError(f"the source made an invalid {self._contract.noun}: {error}") from error

    def _dispatch(self, records: Iterator[Record], sender: Sender) -> bool:
        """Hand records over when they are due, in batches that are full or that no other record can join in time.

        Returns whether all records of the source were handed over: False if the run was stopped before.
        """
        batch: list[Record] = []
        closes = 0.0  # when the current batch must be sent
        began, first = self._clock.monotonic(), None
        try:
            for record in records:
                moment = began
                if self.source.speed is not None:  # counted from the first record, so that delays don't add up
                    event_time = record.event_time.timestamp()
                    first = event_time if first is None else first
                    moment += (event_time - first) / self.source.speed
                if batch and moment > closes:
                    full, batch = batch, []
                    sender.submit(full)
                while (now := self._clock.monotonic()) < moment and not self.stop.is_set():
                    self._clock.wait(self.stop, moment - now)
                if self.stop.is_set():
                    return False
                if not batch:
                    closes = max(now, moment) + MAX_HOLD_SECONDS
                batch.append(record)
                self._handed_over += 1
                if len(batch) == BATCH_SIZE:
                    full, batch = batch, []
                    sender.submit(full)
            return True
        finally:
            if batch:
                sender.submit(batch)

    def _accept(self, writer: ManifestWriter, sent: Sequence[Sent]) -> None:
        problem: NotWrittenError | None = None
        try:
            writer.append(sent)
        except NotWrittenError as error:
            problem = error
            sent, lost = sent[: error.written], sent[error.written :]
            with self._lock:
                self._not_written += len(lost)
            message = "SQS accepted it, but it is not in the manifest"
            self._fail([Unsent(each.record.id, "NotWritten", message, sender_fault=False) for each in lost])
        with self._lock:
            self.sent += len(sent)
        if self._on_record:
            for each in sent:
                self._on_record(each)
        if problem:
            raise problem

    def _fail(self, failures: Sequence[Unsent]) -> None:
        with self._lock:
            self.failed += len(failures)
            self._failures.extend(failures[: MAX_FAILURES_KEPT - len(self._failures)])
