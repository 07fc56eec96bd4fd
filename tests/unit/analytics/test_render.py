"""Whatever is in a cell, a terminal and a reader of CSV or JSON get text that they can take."""

import csv
import io
import json

from rich.console import Console

from analytics import Column, Result
from analytics.render import CHARACTERS_IN_CELL, as_csv, as_json, as_table

HOSTILE = (
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "two\nlines\r\x08back",
    "\ud800 alone",
    "\u202eright to left",
    "[bold]markup[/bold] \\[red] [/]",
    'comma, "quotes"; \t tab',
    "\0",
    "x" * 100_000,
)
NAME = "\x1b[31m[/] name\n"
RESULT = Result(
    (Column(NAME, "varchar"), Column("price", "double")), tuple((text, 1.5) for text in HOSTILE), "athena", 0, 0.0
)


def test_a_table_shows_hostile_text_without_obeying_it() -> None:
    out = io.StringIO()
    Console(file=out, width=120, force_terminal=True, color_system=None).print(as_table(RESULT))
    shown = out.getvalue()
    assert not [one for one in shown if one != "\n" and not one.isprintable()]
    shown.encode()
    for expected in (
        r"\x1b[2J\x1b[31mred",
        r"two\nlines\x0d\x08back",
        r"\ud800 alone",
        "[bold]markup[/bold] \\[red] [/]",
    ):
        assert expected in shown
    assert f"({100_000 - CHARACTERS_IN_CELL:,} more characters)" in " ".join(shown.split())


def test_csv_and_json_give_every_character_back() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(RESULT), newline="")))
    assert rows[0] == [NAME, "price"]
    assert [row[0] for row in rows[1:]] == list(HOSTILE)
    assert as_json(RESULT).isascii()
    assert [row[NAME] for row in json.loads(as_json(RESULT))] == list(HOSTILE)
