"""Rows in a pipe are lines; a person's terminal wraps them."""

import io

import pytest
from rich.table import Table

from terminal import LineConsole

ARN = "arn:aws:lambda:us-east-2:000000000000:event-source-mapping:" + "0" * 60


def printed(*, is_terminal: bool) -> list[str]:
    out = io.StringIO()
    table = Table("resource", "ARN", box=None)
    table.add_row("Lambda mapping", ARN)
    LineConsole(file=out, force_terminal=is_terminal, color_system=None).print(table)
    return out.getvalue().splitlines()


def test_in_a_pipe_every_row_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = printed(is_terminal=False)
    assert len(lines) == 2
    assert ARN in lines[1]


def test_the_width_that_is_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, printed(is_terminal=False))) <= 40


def test_a_terminal_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, printed(is_terminal=True))) <= 60
