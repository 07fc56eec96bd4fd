"""`stockpipe trace`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

import terminal
from operations import tick_search
from operations.display import clock_time, timestamp
from operations.tick_search import SearchLimitError
from operations.tick_trace import Trace
from operations.tick_trace import trace as follow_tick
from profiles.errors import CannotRunError
from terminal.untrusted import one_line, printable

app = typer.Typer()

_LONGEST_ID = 100  # characters
_COLOURS = {"stored": "green", "dead-lettered": "red", "on its way": "yellow", "not found": "red"}


@app.command()
def trace(
    tick_id: Annotated[str, typer.Argument(help="A tick id; or a message id that this machine's producer got.")],
    *,
    symbol: Annotated[
        str | None, typer.Option(help="Its symbol, if you know it: a tick of another machine is then found faster.")
    ] = None,
    limit: Annotated[
        int, typer.Option(help="Read at most this many objects for a tick that this machine didn't send.", min=1)
    ] = tick_search.DEFAULT_LIMIT,
    as_json: terminal.JsonOption = False,
    profile: terminal.ProfileOption = terminal.DEFAULT_PROFILE,
    prefix: terminal.PrefixOption = "",
    bucket: terminal.BucketOption = None,
) -> None:
    """Show what happened to one tick: sent, received, stored, alerted or dead-lettered, with the milliseconds between.

    Ids are in the manifest, in the key and in the record of a tick, in alerts and in `stockpipe dlq list`. Exit code 1:
    the tick is neither stored nor dead-lettered.
    """
    environment = terminal.open_environment(profile, prefix, bucket)
    try:
        with terminal.errors.status("looking …") as status:
            found = follow_tick(environment, tick_id, symbol=symbol, limit=limit, observer=status.update)
    except SearchLimitError as error:
        raise CannotRunError(
            f"{error} without finding {tick_id}: name its --symbol, or look at more with --limit"
        ) from error
    if as_json:
        terminal.print_json(asdict(found))
    else:
        _show(found)
    if found.outcome not in ("stored", "dead-lettered"):
        raise typer.Exit(terminal.EXIT_CHECK_FAILED)


def _show(found: Trace) -> None:
    terminal.console.print(headline(found), soft_wrap=True)
    if found.outcome == "on its way" and found.reason:
        _note(f"It {printable(found.reason)}.")
    elif found.outcome == "on its way":
        _note("It was sent, but is not stored or dead-lettered yet. The queue isn't empty: try again in a moment.")
    if found.outcome == "not found":
        _note(
            "It is neither stored nor dead-lettered, and SQS counts no messages in the queue. These counts may be a "
            "minute old: if the tick was sent just now, try again. Otherwise, the emulator may have been restarted, or "
            "the environment removed."
        )
    previous: int | None = None
    for hop in found.hops:
        step = "" if hop.at_ms is None or previous is None else f"+{hop.at_ms - previous:,} ms"
        time = "" if hop.at_ms is None else clock_time(hop.at_ms)
        line = Text.assemble(
            (f"{time:<12}", "dim"), f" {step:>11}  ", (f"{hop.name:<13}", "bold"), f" {printable(hop.detail)}"
        )
        terminal.console.print(line, soft_wrap=True)
        previous = hop.at_ms if hop.at_ms is not None else previous


def headline(found: Trace) -> Text:
    """`sim1-… TSLA 1,178.09 x 1,864  2026-…  stored after 83 ms`: counted from when SQS accepted it."""
    shown = Text(one_line(found.tick_id, _LONGEST_ID), style="bold")
    if found.tick:
        tick = found.tick
        shown.append(
            f"  {printable(tick.symbol)} {tick.price:,.2f} x {tick.volume:,}  {timestamp(tick.epoch_ms)}",
            style="default not bold",
        )
    shown.append("  ")
    shown.append(found.outcome, style=_COLOURS[found.outcome])
    if found.latency_ms is not None:
        shown.append(f" after {found.latency_ms:,} ms", style="default not bold")
    return shown


def _note(text: str) -> None:
    terminal.errors.print(text, markup=False, soft_wrap=True)
