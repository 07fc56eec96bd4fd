"""The demo says that nothing is left running only when that is so."""

import pytest

from emulator import lifecycle
from profiles.errors import CannotRunError
from stockpipe import demo

NOTHING_LEFT = "nothing is left running"


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> bool:
        raise error

    monkeypatch.setattr(lifecycle, "stop", stop)


def test_what_could_not_be_stopped_is_not_called_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(CannotRunError("ministack on port 4599 can't be stopped"), monkeypatch)

    with pytest.raises(CannotRunError, match="can't be stopped"):
        demo._stop_engine(4599)

    assert NOTHING_LEFT not in capsys.readouterr().out


def test_a_stop_that_is_interrupted_says_how_to_finish_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(KeyboardInterrupt(), monkeypatch)

    with pytest.raises(KeyboardInterrupt):
        demo._stop_engine(4599)

    shown = capsys.readouterr().out
    assert NOTHING_LEFT not in shown
    assert "The engine may still run. Stop it with: stockpipe emulator stop --port 4599" in shown
