"""`stockpipe logs`."""

import re
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from operations.display import clock_time
from operations.function_log import Line, LogEvent, Tail, read_line
from profiles.environment import up_command
from profiles.errors import CannotRunError
from terminal import note, print_json, repeat, say
from terminal.commands import Follow, Json
from terminal.environment import HERE, Where
from terminal.untrusted import one_line, printable

POLL_SECONDS = 1.0
DEFAULT_SINCE = "15m"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_SHOWN = 80  # characters
_STYLES = {
    "WARNING": "yellow",
    "ERROR": "bold red",
    "CRITICAL": "bold red",
    "DEBUG": "dim",
    "START": "dim",
    "END": "dim",
    "REPORT": "dim",
    "METRIC": "cyan",
}


def logs(
    *,
    where: Where = HERE,
    follow: Follow = False,
    since: str = DEFAULT_SINCE,
    text: Annotated[str, Parameter(name="--filter", allow_leading_hyphen=True)] = "",
    as_json: Annotated[Json, Parameter(help="Raw lines, each in a JSON object: at_ms, stream, message.")] = False,
) -> None:
    """Show the function's log: what it did, why a record failed, how long each invocation took.

    Structured lines are shown compactly; times are UTC. `--filter ERROR` finds messages that are not valid records, and
    errors of the function; `--filter WARNING` what AWS refused; `--filter <request id>` one invocation.

    Args:
        since: How far back: 30s, 5m, 2h, 1d, or a time like 2026-01-05T14:30:00Z.
        text: Only lines that contain this text, in any case.
    """
    since_ms = parse_since(since, time.time())
    environment = where.open()
    tail = Tail(environment, since_ms)
    shown = 0

    def look() -> None:
        nonlocal shown
        try:
            events = tail.read()
        except environment.aws.logs.exceptions.ResourceNotFoundException as error:
            fix = up_command(environment)
            raise CannotRunError(f"there is no log group {environment.names.log_group}; run: {fix}") from error
        for event in events:
            if text.lower() in event.message.lower():
                shown += 1
                show_event(event, as_json=as_json)

    if follow:
        repeat(look, POLL_SECONDS)
        return
    look()
    if not shown:
        what = f"that contains {text!r}" if text else "from the function"
        note(f"no line {what} since {since}. Look further back with --since 1d; is it invoked? stockpipe doctor")


def parse_since(text: str, now: float) -> int:
    """Milliseconds since 1970 of `5m` before `now` (seconds since 1970), or of an ISO 8601 time.

    Raises `CannotRunError`.
    """
    if match := _SPAN.fullmatch(text.strip()):
        return int(max(0.0, now - float(match[1]) * _UNITS[match[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CannotRunError(
            f"--since {one_line(text, _LONGEST_SHOWN)}: expected 30s, 5m, 2h, 1d, "
            "or a time with its zone, 2026-01-05T14:30:00Z"
        )
    return (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(milliseconds=1)


def show_event(event: LogEvent, *, as_json: bool) -> None:
    """Print one line of the log."""
    if as_json:
        print_json(asdict(event), indent=None)
    else:
        say(render(read_line(event)))


def render(line: Line) -> Text:
    """`14:30:00.250 INFO   batch processed  messages=10 stored=10  4f9d…`; values of several lines below it."""
    style = _STYLES.get(line.level, "")
    shown = Text(f"{clock_time(line.at_ms)} ", style="dim" if style == "dim" else "")
    shown.append(f"{line.level:<7}", style=style)
    shown.append(f" {printable(line.message)}" if line.message else "")
    long = {name: str(value) for name, value in line.fields.items() if "\n" in str(value)}
    for name, value in line.fields.items():
        if name not in long:
            shown.append(f" {printable(name)}=", style="dim")
            shown.append(printable(str(value)), style="dim" if style == "dim" else "")
    if line.request_id:
        shown.append(f"  {printable(line.request_id)}", style="dim")
    for name, value in long.items():
        shown.append(f"\n  {printable(name)}:\n", style="dim")
        shown.append("\n".join(f"    {row}" for row in printable(value).splitlines()))
    return shown
