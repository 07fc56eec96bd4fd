"""Where a pipeline's records come from: its face `source`, the module `source.py` in its folder.

DATASETS                             name → file in the pipeline's folder `data`, which `--replay` finds by name
simulate(seed, start, groups, rate)  a `Simulation`; for `groups` and `rate` None means the default
"""

from collections.abc import Sequence
from datetime import datetime

from producer.simulation import Simulation
from profiles.errors import CannotRunError
from profiles.pipeline import Pipeline
from runtime.fields import InvalidRecordError
from terminal.untrusted import one_line

MIN_RATE, MAX_RATE = 1e-6, 1e6  # records per second
MIN_SEED, MAX_SEED = -(2**63), 2**63 - 1  # the seed may be part of every id, and contracts limit the length of ids
LONGEST_SHOWN = 40  # characters of a value in an error


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
    made: Simulation = pipeline.module("source").simulate(seed, start, None if groups is None else tuple(groups), rate)
    if not made.groups:
        raise CannotRunError("--groups is empty: expected one or more, with commas between")
    try:
        for group in made.groups:
            contract.check_group(group)
    except InvalidRecordError as error:
        raise CannotRunError(f"--groups: {error}") from error
    if len(set(made.groups)) < len(made.groups):
        shown = one_line(",".join(made.groups), LONGEST_SHOWN)
        raise CannotRunError(f"--groups {shown} names a {'/'.join(contract.record.GROUP)} twice")
    return made
