"""The demo asks what the pipeline's queries offer, and says that nothing is left running only when that is so."""

from typing import Any

import pytest

from analytics.result import Column, Result
from emulator import lifecycle
from profiles.errors import CannotRunError
from profiles.session import open_endpoint
from stockpipe import demo
from tests.support.environments import at, stock_names

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


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), SystemExit(143)])
def test_a_stop_that_is_interrupted_says_how_to_finish_it(
    signal: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(signal, monkeypatch)

    with pytest.raises(type(signal)):
        demo._stop_engine(4599)

    shown = capsys.readouterr().out
    assert NOTHING_LEFT not in shown
    assert "The engine may still run. Stop it with: stockpipe emulator stop --port 4599" in shown


def test_the_queries_that_are_meant_for_a_demo_are_shown_the_charts_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("NFLX", "14:30:00", 1190.0), ("NFLX", "14:30:01", 1201.5)]
    columns = (Column("symbol", "varchar"), Column("event_time", "varchar"), Column("price", "double"))
    asked: list[str] = []

    def run_query(_: Any, name: str, engine: str) -> Result:
        asked.append(f"{name} on {engine}")
        return Result(columns, tuple(rows), engine, 0, 0.1)

    monkeypatch.setattr(demo, "run_query", run_query)

    demo._ask_history(at(open_endpoint("http://127.0.0.1:1"), stock_names("000000000000")))

    assert asked == ["average_price on duckdb", "top_movers on duckdb", "highest_priced on duckdb"]
    shown = capsys.readouterr().out
    assert "stockpipe query average_price, stockpipe query top_movers, stockpipe query highest_priced" in shown
    assert shown.count("│ NFLX") > 2, "two tables and a chart with its legend"
