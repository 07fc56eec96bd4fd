"""How the operator's commands show times and tables."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from pipeline.tick import iso_utc
from rich.table import Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
