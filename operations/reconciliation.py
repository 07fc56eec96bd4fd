"""The result of a reconciliation, as plain values."""

from dataclasses import dataclass

from operations.alert_check import Repeated, Unseen
from operations.ledger import DeadRecord
from operations.stored import Foreign


@dataclass(frozen=True)
class Duplicate:
    """A record that is stored more than once, or both stored and dead-lettered."""

    record_id: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class Altered:
    """A stored record that differs from what was produced, or that is not a valid record."""

    record_id: str
    place: str
    difference: str


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
