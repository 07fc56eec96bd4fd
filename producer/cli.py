"""The command `produce`."""

import random
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pipeline.tick import InvalidTickError, Tick, encode, iso_utc, parse

import terminal
from producer import replay as replays
from producer.market import DEFAULT_RATE, DEFAULT_SYMBOLS, Market
from producer.production import Production, Summary, replayed, simulated
from producer.progress import watch
from profiles.errors import CannotRunError
from terminal.untrusted import one_line

app = typer.Typer()

MAX_COUNT = 10**12
MAX_DURATION = 1e9  # seconds: 31 years
MAX_SPEED = 1e6
LONGEST_SHOWN = 40  # characters of a value in an error

MARKET = "Simulated market"
REPLAY = "Replay"


@app.command()
def produce(
    *,
    symbols: Annotated[
        str, typer.Option(help="Symbols, with commas between.", rich_help_panel=MARKET, metavar="A,B,…")
    ] = ",".join(DEFAULT_SYMBOLS),
    rate: Annotated[
        float | None,
        typer.Option(help=f"Ticks per second of market time. Default: {DEFAULT_RATE:g}.", rich_help_panel=MARKET),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            help="Seconds of market time to play. The run ends at most 10 s after that, even if SQS doesn't answer.",
            rich_help_panel=MARKET,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed and start give the same ticks. Default: a random seed, which is shown.",
            rich_help_panel=MARKET,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Event time of the first tick, ISO 8601. Default: now.", rich_help_panel=MARKET),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            help="CSV or CSV.gz with timestamp,symbol,price,volume; or daily-closes, the data set that is shipped.",
            metavar="FILE",
            rich_help_panel=REPLAY,
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(help="Send only this many ticks.")] = None,
    speed: Annotated[
        str | None,
        typer.Option(help="Seconds of event time per second, or max. Default: 1 for a market, max for a replay."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an earlier run of the same market or file: send only the rest.")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(help="File that lists what SQS accepted. Default: a new one in the state folder."),
    ] = None,
    as_json: terminal.JsonOption = False,
    profile: terminal.ProfileOption = terminal.DEFAULT_PROFILE,
    prefix: terminal.PrefixOption = "",
    bucket: terminal.BucketOption = None,
) -> None:
    """Send the ticks of a simulated market or a file to the queue. Ctrl-C ends it cleanly, a second one at once."""
    factor = _speed(speed)
    _check_range("--count", count, MAX_COUNT, "ticks")
    _check_range("--duration", duration, MAX_DURATION, "seconds")
    repeat = ""
    if replay is not None:
        unused = {"--rate": rate, "--duration": duration, "--seed": seed, "--start": start}
        given = [option for option, value in unused.items() if value is not None]
        if given or symbols != ",".join(DEFAULT_SYMBOLS):
            raise CannotRunError(f"{(given or ['--symbols'])[0]} is for the simulated market, not for --replay")
        source = replayed(replays.find(replay), count=count, speed=factor if speed else None)
    else:
        if resume and (seed is None or start is None):
            raise CannotRunError("--resume of a market needs its --seed and --start: the earlier run printed them")
        market = _market(symbols, rate, seed, start)
        source = simulated(market, count=count, duration=duration, speed=factor if speed else 1.0)
        repeat = f"--seed {market.seed} --start {iso_utc(market.start)}"
    environment = terminal.open_environment(profile, prefix, bucket)
    production = Production(environment, source, manifest=manifest, resume=resume)
    if repeat:
        terminal.errors.print(f"market: repeat it with {repeat}")
    if resume:
        found = (
            f"continuing {production.manifest}"
            if production.resumed
            else "nothing to continue in this environment; starting from the beginning"
        )
        terminal.errors.print(f"resume: {found}", markup=False, soft_wrap=True)
    try:
        with terminal.stopped_by_signals(production.stop):
            watch(production)
    except KeyboardInterrupt:
        production.abandon()
        raise
    finally:
        _report(production.summary(), as_json)
    if production.failed:
        raise typer.Exit(terminal.EXIT_CHECK_FAILED)


def _report(summary: Summary, as_json: bool) -> None:
    if as_json:
        terminal.print_json({**asdict(summary), "rate": summary.rate})
        return
    for failure in summary.failures[:10]:
        terminal.errors.print(
            f"not sent: {failure.tick_id}: {failure.code} {failure.message}", markup=False, soft_wrap=True
        )
    terminal.console.print(summary.line, markup=False, soft_wrap=True)


def _check_range(option: str, value: float | None, most: float, unit: str) -> None:
    if value is not None and not 0 <= value <= most:
        raise CannotRunError(f"{option} {one_line(str(value), LONGEST_SHOWN)}: expected {unit}, from 0 to {most:.0f}")


def _market(symbols: str, rate: float | None, seed: int | None, start: str | None) -> Market:
    return Market(
        seed=random.SystemRandom().randrange(2**31) if seed is None else seed,
        start=_start(start),
        symbols=_symbols(symbols),
        rate=DEFAULT_RATE if rate is None else rate,
    )


def _start(text: str | None) -> datetime:
    if text is None:
        now = datetime.now(UTC)  # in whole milliseconds, as it is printed: repeating it makes the same ids
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
    return _probe(start=text, option=f"--start {one_line(text, LONGEST_SHOWN)}").event_time


def _symbols(text: str) -> tuple[str, ...]:
    symbols = tuple(symbol for part in text.split(",") if (symbol := part.strip().upper()))
    if not symbols:
        raise CannotRunError("--symbols is empty: expected for example AAPL,TSLA")
    for symbol in symbols:
        _probe(symbol=symbol, option="--symbols")
    if len(set(symbols)) < len(symbols):
        raise CannotRunError(f"--symbols {one_line(text, LONGEST_SHOWN)} names a symbol twice")
    return symbols


def _probe(*, option: str, symbol: str = "A", start: str = "2000-01-01T00:00:00Z") -> Tick:
    """A tick with these values, as the data contract reads it: so options obey the same rules as messages."""
    try:
        return parse(encode(Tick("probe", symbol, 1.0, 1, start)), message_id="", sent_timestamp_ms=0)
    except InvalidTickError as error:
        raise CannotRunError(f"{option}: {error}") from error


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
