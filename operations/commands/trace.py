"""`stockpipe trace`."""

from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

import terminal
from operations import records
from operations.display import as_document, clock_time, timestamp
from operations.records import SearchLimitError
from operations.trace import Trace
from operations.trace import trace as follow
from profiles.errors import CannotRunError
from runtime.contract import Contract
from runtime.fields import Record
from terminal.commands import AtLeastOne, Json
from terminal.environment import HERE, Where
from terminal.untrusted import one_line, printable

_LONGEST_ID = 100  # characters
_COLOURS = {"stored": "green", "dead-lettered": "red", "on its way": "yellow", "not found": "red"}


def trace(
    some_id: Annotated[str, Parameter(name="ID", allow_leading_hyphen=True)],
    /,
    *,
    where: Where = HERE,
    group: Annotated[str | None, Parameter(name=("--group", "--symbol"))] = None,
    limit: AtLeastOne = records.DEFAULT_LIMIT,
    as_json: Json = False,
) -> bool:
    """Show what happened to one record: sent, received, stored, alerted or dead-lettered, with milliseconds between.

    Ids are in the manifest, in the key and the content of a stored record, in alerts and in `stockpipe dlq list`. Exit
    code 1: the record is neither stored nor dead-lettered.

    Args:
        some_id: A record's id; or a message id that this machine's producer got.
        group: Its group, if you know it: a record of another machine is then found faster.
        limit: Read at most this many objects for a record that this machine didn't send.
    """
    environment = where.open()
    try:
        with terminal.errors.status("looking …") as status:
            found = follow(environment, some_id, group=group, limit=limit, observer=status.update)
    except SearchLimitError as error:
        raise CannotRunError(
            f"{error} without finding {some_id}: name its --group, or look at more with --limit"
        ) from error
    if as_json:
        terminal.print_json(as_document(environment.contract, found))
    else:
        _show(environment.contract, found)
    return found.outcome in ("stored", "dead-lettered")


def _show(contract: Contract[Any], found: Trace) -> None:
    terminal.say(headline(contract, found))
    if found.outcome == "on its way" and found.reason:
        terminal.note(f"It {printable(found.reason)}.")
    elif found.outcome == "on its way":
        terminal.note(
            "It was sent, but is not stored or dead-lettered yet. The queue isn't empty: try again in a moment."
        )
    if found.outcome == "not found":
        terminal.note(
            "It is neither stored nor dead-lettered, and SQS counts no messages in the queue. These counts may be a "
            f"minute old: if the {contract.noun} was sent just now, try again. Otherwise, the emulator may have been "
            "restarted, or the environment removed."
        )
    previous: int | None = None
    for hop in found.hops:
        step = "" if hop.at_ms is None or previous is None else f"+{hop.at_ms - previous:,} ms"
        time = "" if hop.at_ms is None else clock_time(hop.at_ms)
        line = Text.assemble(
            (f"{time:<12}", "dim"), f" {step:>11}  ", (f"{hop.name:<13}", "bold"), f" {printable(hop.detail)}"
        )
        terminal.say(line)
        previous = hop.at_ms if hop.at_ms is not None else previous


def headline(contract: Contract[Any], found: Trace) -> Text:
    """`sim1-… TSLA price=1,178.09 volume=1,864  2026-…  stored after 83 ms`: counted from when SQS accepted it."""
    shown = Text(one_line(found.record_id, _LONGEST_ID), style="bold")
    if found.record:
        shown.append(
            f"  {printable(found.record.group)} {printable(_values(contract, found.record))}  "
            f"{timestamp(found.record.epoch_ms)}",
            style="default not bold",
        )
    shown.append("  ")
    shown.append(found.outcome, style=_COLOURS[found.outcome])
    if found.latency_ms is not None:
        shown.append(f" after {found.latency_ms:,} ms", style="default not bold")
    return shown


def _values(contract: Contract[Any], record: Record) -> str:
    """The required fields that are not shown otherwise."""
    elsewhere = (record.ID, *record.GROUP, "timestamp")
    values = {one.name: getattr(record, one.name) for one in contract.fields if one.required}
    return " ".join(
        f"{name}={value:,}" if isinstance(value, int | float) else f"{name}={value}"
        for name, value in values.items()
        if name not in elsewhere
    )
