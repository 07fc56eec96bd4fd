"""What is shown while a command works."""

from types import SimpleNamespace

import pytest

import terminal


def test_where_there_is_no_terminal_it_is_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 4.0, 10.0, 10.0, 19.0, 20.0, 20.0])
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: next(now)))
    with terminal.progress("comparing …", every=10) as observe:
        for left in (9_274, 8_000, 7_000, 6_000):
            observe(f"waiting: {left:,} messages are in the queue")
    assert capsys.readouterr().err.splitlines() == [
        "waiting: 8,000 messages are in the queue",
        "waiting: 6,000 messages are in the queue",
    ]


def test_warnings_are_always_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress(every=1000) as observe:
        observe("a step")
        observe("warning: an [odd] one")
    assert capsys.readouterr().err == "warning: an [odd] one\n"
