"""How the operator's commands show times and text that came from elsewhere."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from rich.table import Table

from pipeline.tick import iso_utc

# All of Unicode's control characters but newline and tab: what was sent to a queue must not move somebody's cursor.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def printable(text: str) -> str:
    """The text with control characters escaped, so that a terminal shows them instead of obeying them."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def one_line(text: str, most: int) -> str:
    """The text on one line of at most so many characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def moment(at_ms: int) -> datetime:
    """The UTC time of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def timestamp(at_ms: int) -> str:
    """`2026-01-05T14:30:00.250Z`."""
    return iso_utc(moment(at_ms))


def clock_time(at_ms: int) -> str:
    """`14:30:00.250`, UTC like everything that AWS logs and stores."""
    return timestamp(at_ms)[11:-1]


def age(milliseconds: int) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`."""
    seconds = max(0, milliseconds // 1000)
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def plain_table(*columns: str) -> Table:
    """A table without lines; what doesn't fit is folded, never cut."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_json_line(value: Any) -> None:
    """One JSON document on one line, for commands that go on and on."""
    typer.echo(json.dumps(value, default=str))
