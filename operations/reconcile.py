"""The proof that nothing was lost: what was produced is stored exactly once or dead-lettered, and alerts were sent.

The manifest says what SQS accepted; the bucket, the dead-letter queue and the alert markers say what became of it. What
others sent, or earlier runs, is left out. Nothing is changed: dead letters are read and made visible again.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from operations import compacted, deadletters, stored
from operations.ledger import DeadTick, Ledger
from operations.live_function import read_environment
from operations.queues import depth
from pipeline.tick import alert_marker_key
from producer import manifest
from producer.clock import Clock, SystemClock
from profiles.environment import queue_url, up_command
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import Aws

POLL_SECONDS = 0.25
# SQS's counts are approximate: only a queue that has been empty for so long counts as idle.
QUIET_SECONDS = 3.0


@dataclass(frozen=True)
class Duplicate:
    """A tick that is stored more than once, or both stored and dead-lettered."""

    tick_id: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class Reconciliation:
    """What became of the produced ticks: each is stored, dead-lettered or missing, and counted in one of them only.

    `missing` are tick ids; `unalerted` are keys of alert markers that should say `published`; `alerts` counts those
    that do; `other_dead_letters` counts messages in the dead-letter queue that are none of the produced ticks; `queued`
    counts messages that were still in the tick queue, whoever sent them (approximately, as SQS counts).
    """

    produced: int
    stored: int
    dead_lettered: tuple[DeadTick, ...]
    missing: tuple[str, ...]
    duplicated: tuple[Duplicate, ...]
    alerts: int
    unalerted: tuple[str, ...]
    other_dead_letters: int
    queued: int

    @property
    def holds(self) -> bool:
        """Whether something was produced, and nothing of it is missing, duplicated or unalerted."""
        return self.produced > 0 and not (self.missing or self.duplicated or self.unalerted)

    @property
    def line(self) -> str:
        """The result in one line."""
        return (
            f"reconciled: {self.produced} produced = {self.stored} stored + {len(self.dead_lettered)} dead-lettered; "
            f"missing {len(self.missing)}, duplicated {len(self.duplicated)}, alerts {self.alerts}"
        )


def reconcile(
    aws: Aws,
    names: Names,
    manifests: Sequence[Path],
    *,
    wait_seconds: float = 0.0,
    clock: Clock | None = None,
    observer: Callable[[str], None] = lambda _: None,
) -> Reconciliation:
    """Compare manifests with what is there.

    Looks again until all is well, the queue has been idle for a while, or `wait_seconds` went by without progress, that
    is, while neither the queue became shorter than ever nor more ticks were stored. While there is progress there is no
    limit. With 0 it looks once. `observer` is told what is being waited for. Raises `CannotRunError` where the
    environment or a manifest isn't there.
    """
    clock = clock or SystemClock()
    pause = threading.Event()
    with Ledger() as ledger:
        for path in manifests:
            ledger.add_produced(manifest.read(path))
        where = _Where.find(aws, names)
        progress = _Progress(wait_seconds, clock.monotonic())
        idle_since: float | None = None
        while True:
            on_its_way = depth(aws, where.queue_url).total
            now = clock.monotonic()
            progress.saw_queued(on_its_way, now)
            idle_since = (now if idle_since is None else idle_since) if on_its_way == 0 else None
            if idle_since is not None or now >= progress.deadline:
                _find_stored(where, names, ledger)
                if progress.saw_stored(ledger.count_stored(), now) and idle_since is not None:
                    idle_since = now
                enough = now >= progress.deadline or (idle_since is not None and now - idle_since >= QUIET_SECONDS)
                result = _find_dead(where, ledger, on_its_way, thorough=enough)
                if result.holds and not enough:
                    # SQS's count may have hidden a dead letter whose tick is stored as well.
                    result = _find_dead(where, ledger, on_its_way, thorough=True)
                if result.holds or enough or not result.produced:
                    return result
                observer(f"{len(result.missing):,} of {result.produced:,} ticks not found yet")
            else:
                observer(f"{on_its_way:,} messages are in the queue")
            clock.wait(pause, min(POLL_SECONDS, max(0.0, progress.deadline - now)))


class _Progress:
    """Until when to wait, given that every sign of progress begins the wait anew."""

    def __init__(self, wait_seconds: float, now: float) -> None:
        self._wait_seconds = wait_seconds
        self._fewest: int | None = None
        self._stored: int | None = None
        self.deadline = now + wait_seconds

    def saw_queued(self, count: int, now: float) -> None:
        """So many messages are in the queue. More than before is no step back: others send, too."""
        if self._fewest is None or count < self._fewest:
            self._fewest = count
            self.deadline = now + self._wait_seconds

    def saw_stored(self, count: int, now: float) -> bool:
        """So many ticks are stored: whether that is more than before.

        The first count has nothing to be compared with, so there will be a second one.
        """
        before, self._stored = self._stored, count
        if before is None:
            self.deadline = max(self.deadline, now + min(self._wait_seconds, QUIET_SECONDS))
            return False
        if count > before:
            self.deadline = now + self._wait_seconds
        return count > before


@dataclass(frozen=True)
class _Where:
    """Where to look, as the live function has it."""

    aws: Aws
    bucket: str
    queue_url: str
    dead_letter_queue_url: str
    alert_threshold: float
    alert_cooldown_seconds: int

    @classmethod
    def find(cls, aws: Aws, names: Names) -> "_Where":
        function = read_environment(aws, names)
        return cls(
            aws=aws,
            bucket=function.bucket,
            queue_url=queue_url(aws, names, names.queue),
            dead_letter_queue_url=queue_url(aws, names, names.dead_letter_queue),
            alert_threshold=function.alert_threshold,
            alert_cooldown_seconds=function.alert_cooldown_seconds,
        )


def _find_stored(where: _Where, names: Names, ledger: Ledger) -> None:
    """Forget what was found, and find what is stored.

    What isn't under `processed/` may have been compacted and deleted there. Compaction writes before it deletes, so
    this is the order to look in.
    """
    s3 = where.aws.s3
    ledger.forget_found()
    try:
        stored.find_ticks(s3, where.bucket, ledger.symbols(), ledger.add_stored)
    except s3.exceptions.NoSuchBucket as error:
        raise CannotRunError(f"there is no bucket {where.bucket}; run: {up_command(where.aws, names)}") from error
    if ledger.count_stored() < ledger.count_produced():
        here = replace(names, bucket_override=where.bucket)
        compacted.find_compacted(where.aws, here, ledger.unstored(), ledger.add_compacted)


def _find_dead(where: _Where, ledger: Ledger, queued: int, *, thorough: bool) -> Reconciliation:
    """Find dead letters, and compare. It comes second, so that a tick on its way is rather missing than overlooked.

    A thorough look takes a second even where there are none.
    """
    ledger.add_dead(deadletters.read_all(where.aws, where.dead_letter_queue_url, thorough=thorough))
    windows = sorted(
        {
            alert_marker_key(tick, cooldown_seconds=where.alert_cooldown_seconds)
            for tick in ledger.breaching(where.alert_threshold)
        }
    )
    unalerted = tuple(key for key, missing in stored.unpublished(where.aws.s3, where.bucket, windows) if missing)
    return Reconciliation(
        produced=ledger.count_produced(),
        stored=ledger.count_stored(),
        dead_lettered=tuple(ledger.dead_lettered()),
        missing=tuple(ledger.missing()),
        duplicated=tuple(Duplicate(*each) for each in ledger.duplicated()),
        alerts=len(windows) - len(unalerted),
        unalerted=unalerted,
        other_dead_letters=ledger.count_other_dead(),
        queued=queued,
    )
