"""The command `produce`."""

import random
import re
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from producer import replay as replays
from producer.production import Production, Summary, replayed, simulated
from producer.progress import watch
from producer.simulation import Simulation
from producer.source import LONGEST_SHOWN, simulate
from profiles.errors import CannotRunError
from profiles.pipeline import Pipeline, load
from runtime.clock import iso_utc
from runtime.contract import Contract
from runtime.fields import InvalidRecordError, check_time
from terminal import note, print_json, say, stopped_by_signals
from terminal.commands import Json, number
from terminal.environment import HERE, Where
from terminal.untrusted import one_line

MAX_COUNT = 10**12
MAX_DURATION = 1e9  # seconds: 31 years
MAX_SPEED = 1e6

SIMULATION = "Simulation"
REPLAY = "Replay"


def produce(
    *,
    where: Where = HERE,
    groups: Annotated[
        str | None, Parameter(name=("--groups", "--symbols"), group=SIMULATION, allow_leading_hyphen=True)
    ] = None,
    rate: Annotated[float | None, Parameter(group=SIMULATION)] = None,
    duration: Annotated[float | None, number(0, MAX_DURATION), Parameter(group=SIMULATION)] = None,
    seed: Annotated[int | None, number(), Parameter(group=SIMULATION)] = None,
    start: Annotated[str | None, Parameter(group=SIMULATION)] = None,
    replay: Annotated[str | None, Parameter(group=REPLAY)] = None,
    count: Annotated[int | None, number(0, MAX_COUNT)] = None,
    speed: str | None = None,
    resume: bool = False,
    manifest: Path | None = None,
    as_json: Json = False,
) -> bool:
    """Send the records of a simulation or a file to the queue. Ctrl-C ends it cleanly, a second one at once.

    For example:

        stockpipe produce --rate 100 --duration 60
        stockpipe produce --replay prices.csv.gz --speed 10

    Args:
        groups: Groups to simulate, with commas between. Default: those of the pipeline's source.
        rate: Records per second of simulated time. Default: the rate of the pipeline's source.
        duration: Seconds of simulated time to play. The run ends at most 10 s after that, even if SQS doesn't answer.
        seed: The same seed and start give the same records. Default: a random seed, which is shown.
        start: Event time of the first record, ISO 8601. Default: now.
        replay: CSV or CSV.gz with the fields of a record as columns; or the name of a data set that is shipped.
        count: Send only this many records.
        speed: Seconds of event time per second, or max. Default: 1 for a simulation, max for a replay.
        resume: Continue an earlier run of the same simulation or file: send only the rest.
        manifest: File that lists what SQS accepted. Default: a new one in the state folder.
    """
    found = load(where.pipeline)
    factor = _speed(speed)
    repeat = ""
    if replay is not None:
        unused = {"--rate": rate, "--duration": duration, "--seed": seed, "--start": start, "--groups": groups}
        given = [option for option, value in unused.items() if value is not None]
        if given:
            raise CannotRunError(f"{given[0]} is for the simulation, not for --replay")
        source = replayed(replays.find(replay, found), count=count, speed=factor if speed else None)
    else:
        if resume and (seed is None or start is None):
            raise CannotRunError("--resume of a simulation needs its --seed and --start: the earlier run printed them")
        simulation = _simulation(found, groups, rate, seed, start)
        source = simulated(simulation, count=count, duration=duration, speed=factor if speed else 1.0)
        repeat = f"--seed {simulation.seed} --start {iso_utc(simulation.start)}"
    environment = where.open()
    production = Production(environment, source, manifest=manifest, resume=resume)
    if repeat:
        note(f"simulation: repeat it with {repeat}")
    if resume:
        state = (
            f"continuing {production.manifest}"
            if production.resumed
            else "nothing to continue in this environment; starting from the beginning"
        )
        note(f"resume: {state}")
    try:
        with stopped_by_signals(production.stop):
            watch(production)
    except KeyboardInterrupt:
        production.abandon()
        raise
    finally:
        _report(production.summary(), found.contract, as_json)
    return not production.failed


def _report(summary: Summary, contract: Contract[Any], as_json: bool) -> None:
    if as_json:
        names = (contract.record.ID, "code", "message", "sender_fault")
        failures = [dict(zip(names, astuple(failure), strict=True)) for failure in summary.failures]
        print_json({**asdict(summary), "failures": failures, "rate": summary.rate})
        return
    for failure in summary.failures[:10]:
        note(f"not sent: {failure.record_id}: {failure.code} {failure.message}")
    say(summary.line(contract))


def _simulation(
    pipeline: Pipeline, groups: str | None, rate: float | None, seed: int | None, start: str | None
) -> Simulation:
    return simulate(
        pipeline,
        seed=random.SystemRandom().randrange(2**31) if seed is None else seed,
        start=_start(start),
        groups=None if groups is None else [group for part in groups.split(",") if (group := part.strip())],
        rate=rate,
    )


def _start(text: str | None) -> datetime:
    if text is None:
        now = datetime.now(UTC)  # in whole milliseconds, as it is printed: repeating it makes the same ids
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
    try:
        return datetime.fromisoformat(check_time("timestamp", text)).astimezone(UTC)
    except InvalidRecordError as error:
        raise CannotRunError(f"--start {one_line(text, LONGEST_SHOWN)}: {error}") from error


def _speed(text: str | None) -> float | None:
    if text is None or text == "max":
        return None
    factor = float(text) if re.fullmatch(r"\d+(\.\d+)?|\.\d+", text, re.ASCII) else 0.0
    if not 1 / MAX_SPEED <= factor <= MAX_SPEED:
        raise CannotRunError(
            f"--speed {one_line(text, LONGEST_SHOWN)}: expected max, "
            f"or a factor from {1 / MAX_SPEED:f} to {MAX_SPEED:.0f}"
        )
    return factor
