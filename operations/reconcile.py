"""The proof that nothing was lost: what was produced is stored exactly once or dead-lettered, and alerts were sent.

The manifest says what SQS accepted; the bucket, the dead-letter queue and the alert inbox show what happened to it.
Records of others, or of earlier runs, are left out. Nothing is changed: messages are read and made visible again.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from operations import compacted, deadletters, records
from operations.alerts import Alerts, Repeated, Unseen, look_for_alerts
from operations.ledger import Altered, DeadRecord, Duplicate, Ledger
from operations.live_function import read_function
from operations.queues import depth
from operations.records import Foreign
from producer import manifest
from profiles.environment import Environment, queue_url, up_command
from profiles.errors import CannotRunError
from runtime.clock import Clock

POLL_SECONDS = 0.25
# SQS's counts are approximate: only a queue that has been empty for so long counts as idle.
QUIET_SECONDS = 3.0
SAMPLE = 1_000  # records whose content is compared, unless all are requested
_SEEDS = 10**6


@dataclass(frozen=True)
class Reconciliation:
    """What happened to the produced records: each is counted as stored, dead-lettered or missing.

    `missing` are record ids; `records` counts stored records, `compared` those whose content was compared, chosen with
    `seed`; `alerts` counts windows with an alert in the inbox, `unalerted` are those without, `unknown_alerts` those
    for which the inbox can't tell, `repeated_alerts` those with more than one; `foreign` are places in the bucket that
    hold no record; `other_dead_letters` counts messages in the dead-letter queue that aren't produced records;
    `queued` counts messages that were still in the queue, whoever sent them (approximately, as SQS counts).
    """

    produced: int
    stored: int
    dead_lettered: tuple[DeadRecord, ...]
    missing: tuple[str, ...]
    duplicated: tuple[Duplicate, ...]
    altered: tuple[Altered, ...]
    records: int
    compared: int
    seed: int
    alerts: int
    unalerted: tuple[Unseen, ...]
    unknown_alerts: tuple[Unseen, ...]
    repeated_alerts: tuple[Repeated, ...]
    foreign: tuple[Foreign, ...]
    other_dead_letters: int
    queued: int

    @property
    def holds(self) -> bool:
        """Whether records were produced, and none of them is missing, duplicated, altered or without its alert."""
        return self.produced > 0 and not (self.missing or self.duplicated or self.altered or self.unalerted)

    @property
    def line(self) -> str:
        """The result in one line."""
        more = "".join(
            f", {count} {what}"
            for count, what in (
                (len(self.unalerted), "without alert"),
                (len(self.unknown_alerts), "not known"),
                (len(self.repeated_alerts), "alerted more than once"),
            )
            if count
        )
        sample = "" if self.compared == self.records else f" (seed {self.seed})"
        return (
            f"reconciled: {self.produced} produced = {self.stored} stored + {len(self.dead_lettered)} dead-lettered; "
            f"missing {len(self.missing)}, duplicated {len(self.duplicated)}, altered {len(self.altered)}, "
            f"alerts {self.alerts}{more}; content of {self.compared} of {self.records} records compared{sample}"
        )


def reconcile(
    environment: Environment,
    manifests: Sequence[Path],
    *,
    wait_seconds: float = 0.0,
    sample: int | None = SAMPLE,
    seed: int | None = None,
    clock: Clock | None = None,
    observer: Callable[[str], None] = lambda _: None,
) -> Reconciliation:
    """Compare manifests with what is there.

    Looks again until everything is accounted for, the queue has been idle for a while, or `wait_seconds` passed without
    progress. Progress means that the queue is shorter than ever before, or that more records are stored. While there is
    progress there is no time limit. With 0 it looks once. Records with an object of their own are compared with the
    manifest at the end: as many as `sample` says (None: all), chosen at random, the same for the same `seed`.
    `observer` is told what it waits for. Raises `CannotRunError` if the environment or a manifest doesn't exist.
    """
    clock = clock or Clock()
    seed = secrets.randbelow(_SEEDS) if seed is None else seed
    pause = threading.Event()
    function = read_function(environment)
    where = function.environment
    queue = queue_url(environment, environment.names.queue)
    with Ledger(environment.contract, function.alert_windows) as ledger:
        for path in manifests:
            ledger.add_produced(manifest.read(path, environment.contract))
        progress = _Progress(wait_seconds, clock.monotonic())
        idle_since: float | None = None
        while True:
            on_its_way = depth(environment.aws, queue).total
            now = clock.monotonic()
            progress.saw_queued(on_its_way, now)
            idle_since = (now if idle_since is None else idle_since) if on_its_way == 0 else None
            if idle_since is not None or now >= progress.deadline:
                _find_stored(where, ledger, up_command(environment))
                if progress.saw_stored(ledger.count_stored(), now) and idle_since is not None:
                    idle_since = now
                enough = now >= progress.deadline or (idle_since is not None and now - idle_since >= QUIET_SECONDS)
                # After what is stored: a record in flight is then reported as missing.
                ledger.add_dead(deadletters.read_all(where, thorough=enough))
                lost = ledger.count_lost()
                if not lost and not enough:
                    # SQS's count may have hidden a dead letter whose record is stored as well.
                    ledger.add_dead(deadletters.read_all(where, thorough=True))
                    lost = ledger.count_lost()
                if enough or not lost:
                    wait = partial(clock.wait, pause) if wait_seconds else None
                    alerts = look_for_alerts(where, ledger.windows(), wait=wait)
                    if enough or not alerts.missing:
                        _compare(where, ledger, sample, seed)
                        return _conclude(ledger, alerts, on_its_way, seed)
                    observer(f"{len(alerts.missing):,} alerts are not in the inbox yet")
                else:
                    observer(f"{lost:,} of {ledger.count_produced():,} {environment.contract.plural} not found yet")
            else:
                observer(f"{on_its_way:,} messages are in the queue")
            clock.wait(pause, min(POLL_SECONDS, max(0.0, progress.deadline - now)))


class _Progress:
    """Until when to wait. Every sign of progress starts the wait again."""

    def __init__(self, wait_seconds: float, now: float) -> None:
        self._wait_seconds = wait_seconds
        self._fewest: int | None = None
        self._stored: int | None = None
        self.deadline = now + wait_seconds

    def saw_queued(self, count: int, now: float) -> None:
        """Take a count of the queue. Only a lower one is progress; a higher one may come from another sender."""
        if self._fewest is None or count < self._fewest:
            self._fewest = count
            self.deadline = now + self._wait_seconds

    def saw_stored(self, count: int, now: float) -> bool:
        """Take a count of stored records, and return whether it is higher than before.

        After the first count, the wait is long enough for a second one.
        """
        before, self._stored = self._stored, count
        if before is None:
            self.deadline = max(self.deadline, now + min(self._wait_seconds, QUIET_SECONDS))
            return False
        if count > before:
            self.deadline = now + self._wait_seconds
        return count > before


def _find_stored(where: Environment, ledger: Ledger, repair: str) -> None:
    """Forget what was found, and find what is stored. `repair`: the command that makes a missing bucket."""
    ledger.forget_found()
    try:
        records.find_all(where, ledger.groups(), ledger.add_stored, ledger.add_foreign)
    except where.aws.s3.exceptions.NoSuchBucket as error:
        raise CannotRunError(f"there is no bucket {where.names.bucket}; run: {repair}") from error
    _find_compacted(where, ledger)


def _find_compacted(where: Environment, ledger: Ledger) -> None:
    """Records that have no object any more may have been compacted and deleted.

    Compaction writes before it deletes, so this comes second.
    """
    if ledger.count_stored() < ledger.count_produced():
        compacted.find_compacted(where, ledger.unstored(), ledger.add_compacted)


def _compare(where: Environment, ledger: Ledger, sample: int | None, seed: int) -> None:
    """Compare records that are only known from the listing. One that was deleted since may have been compacted."""
    places, _ = ledger.count_places()
    for key, content in records.read_contents(where, ledger.sample(sample, seed)):
        ledger.add_content(key, content)
    if ledger.count_places()[0] < places:
        _find_compacted(where, ledger)


def _conclude(ledger: Ledger, alerts: Alerts, queued: int, seed: int) -> Reconciliation:
    places, compared = ledger.count_places()
    return Reconciliation(
        produced=ledger.count_produced(),
        stored=ledger.count_stored(),
        dead_lettered=tuple(ledger.dead_lettered()),
        missing=tuple(ledger.missing()),
        duplicated=tuple(ledger.duplicated()),
        altered=tuple(ledger.altered()),
        records=places,
        compared=compared,
        seed=seed,
        alerts=alerts.seen,
        unalerted=alerts.missing,
        unknown_alerts=alerts.unknown,
        repeated_alerts=alerts.repeated,
        foreign=tuple(ledger.foreign()),
        other_dead_letters=ledger.count_other_dead(),
        queued=queued,
    )
