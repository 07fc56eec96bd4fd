"""`--help` of every command, as a person reads it."""

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
import typer
from typer.testing import CliRunner

from stockpipe.cli import app

WIDTH = 200


def commands(group: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


ALL = [" ".join(words) for words in commands(typer.main.get_command(app))]


def prose(words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of the help between the usage line and the first panel."""
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", WIDTH)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    shown = CliRunner().invoke(app, [*words.split(), "--help"])
    assert shown.exit_code == 0
    before = shown.stdout.partition("╭")[0].splitlines()
    return [line.strip() for line in before if "Usage:" not in line]


def test_all_commands_are_looked_at() -> None:
    assert {"", "demo", "alerts", "emulator start", "dlq list"} <= set(ALL)


@pytest.mark.parametrize("words", ALL)
def test_no_line_breaks_within_a_sentence(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = prose(words, monkeypatch)
    assert any(lines)
    for line, following in pairwise(lines):
        broken_by_width = len(line) + len(following.partition(" ")[0]) + 2 >= WIDTH - 2
        assert not line or not following or broken_by_width, f"{line!r} goes on with {following!r}"


@pytest.mark.parametrize("words", ALL)
def test_markup_is_shown_as_what_it_means(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not re.search(r"\[/?(bold|dim|/)?\]", "\n".join(prose(words, monkeypatch)))
