"""Where a pipeline's records come from: its face `source`, the module `source.py` in its folder.

DATASETS                             name → file in the pipeline's folder `data`, which `--replay` finds by name
simulate(seed, start, groups, rate)  a `Simulation`; for `groups` and `rate` None means the default
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, cast

from profiles.errors import CannotRunError
from profiles.pipeline import Pipeline
from runtime.contract import Contract
from runtime.fields import InvalidRecordError, Record
from terminal.untrusted import one_line

MIN_RATE, MAX_RATE = 1e-6, 1e6  # records per second
MIN_SEED, MAX_SEED = -(2**63), 2**63 - 1  # the seed may be part of every id, and contracts limit the length of ids
LONGEST_SHOWN = 40  # characters of a value in an error


class Simulation(Protocol):
    """An endless stream of records: the same for the same seed, start, groups and rate.

    `start` is the event time of the first record, `rate` the records per second of event time over all groups. `run`
    is a short name, which depends on all four; so do the ids, so that two simulations never share one.
    """

    @property
    def seed(self) -> int:
        """What the random numbers begin with."""

    @property
    def start(self) -> datetime:
        """The event time of the first record."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Whose records they are."""

    @property
    def rate(self) -> float:
        """Records per second of event time."""

    @property
    def run(self) -> str:
        """A short name, which a file name may contain."""

    def records(self) -> Iterator[Record]:
        """The records, in the order of their event times."""


class _Face(Protocol):
    DATASETS: Mapping[str, str]

    def simulate(
        self, seed: int, start: datetime, groups: tuple[str, ...] | None, rate: float | None
    ) -> Simulation: ...


def face(pipeline: Pipeline) -> _Face:
    """The pipeline's module `source`."""
    return cast(_Face, pipeline.module("source"))


def simulate(
    pipeline: Pipeline,
    *,
    seed: int,
    start: datetime,
    groups: Sequence[str] | None = None,
    rate: float | None = None,
) -> Simulation:
    """The pipeline's simulation with these values, checked. Raises `CannotRunError`, which names the option."""
    contract = pipeline.contract
    if not MIN_SEED <= seed <= MAX_SEED:
        raise CannotRunError(f"--seed is out of range: expected a whole number from {MIN_SEED} to {MAX_SEED}")
    if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
        raise CannotRunError(
            f"--rate {rate:g}: expected {contract.plural} per second, from {MIN_RATE:f} to {MAX_RATE:.0f}"
        )
    made = face(pipeline).simulate(seed, start, None if groups is None else tuple(groups), rate)
    if not made.groups:
        raise CannotRunError("--groups is empty: expected one or more, with commas between")
    for group in made.groups:
        _check_group(contract, group)
    if len(set(made.groups)) < len(made.groups):
        shown = one_line(",".join(made.groups), LONGEST_SHOWN)
        raise CannotRunError(f"--groups {shown} names a {_kind(contract)} twice")
    return made


def _check_group(contract: Contract[Record], group: str) -> None:
    fields = [one for name in contract.record.GROUP for one in contract.fields if one.name == name]
    parts = group.split("/")
    if len(parts) != len(fields):
        raise CannotRunError(f"--groups: {one_line(group, LONGEST_SHOWN)} is not a {_kind(contract)}")
    try:
        for field, part in zip(fields, parts, strict=True):
            field.check(field.name, part)
    except InvalidRecordError as error:
        raise CannotRunError(f"--groups: {error}") from error


def _kind(contract: Contract[Record]) -> str:
    """What a group is made of, for example `symbol`."""
    return "/".join(contract.record.GROUP)
