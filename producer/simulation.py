"""What a pipeline's simulation is, for its module `source.py`."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from runtime.clock import iso_utc
from runtime.fields import Record


@dataclass(frozen=True)
class Simulation:
    """An endless stream of records: the same for the same seed, start, groups and rate.

    `start` is the event time of the first record, `rate` is the records per second of event time over all groups.
    """

    seed: int
    start: datetime
    groups: tuple[str, ...]
    rate: float

    @property
    def run(self) -> str:
        """A short name, for the manifest and as the beginning of all ids: with another parameter it is another one."""
        parameters = f"{self.seed} {iso_utc(self.start)} {','.join(self.groups)} {self.rate!r}"
        return f"sim{self.seed}-{hashlib.sha256(parameters.encode()).hexdigest()[:8]}"

    def records(self) -> Iterator[Record]:
        """The records, in the order of their event times."""
        raise NotImplementedError
