"""What the demo asks about history follows from the pipeline's contract and tables."""

from typing import Any

import pytest

from analytics import dialect
from operations.alerts import Alert
from pipeline.contract import Tick
from profiles.session import open_endpoint
from runtime.contract import Stored
from stockpipe.demo import _chart_sql
from stockpipe.flow import Figures
from tests.support.environments import at, stock_names

ENVIRONMENT = at(open_endpoint("http://127.0.0.1:4566"), stock_names("000000000000", "alice"))
STORED: Stored[Any] = Stored(Tick("t-1", "AAPL", 1.0, 1, "2026-01-05T14:30:00.250Z"), 0, latency_ms=1, alert=False)


def alert_about(symbol: str) -> Alert:
    return Alert("m", "", "", {"symbol": symbol}, 0)


@pytest.mark.parametrize(
    ("figures", "charted"),
    [
        (
            Figures(alerts=tuple(map(alert_about, ("TSLA", "TSLA", "NFLX", "GOOG"))), records=(STORED,)),
            "('TSLA', 'NFLX')",
        ),
        (Figures(alerts=(alert_about("O'NEIL"),)), "('O''NEIL')"),
        (Figures(records=(STORED,)), "('AAPL')"),
    ],
)
def test_groups_with_alerts_are_charted_or_else_one(figures: Figures, charted: str) -> None:
    sql = _chart_sql(ENVIRONMENT, figures)

    assert sql is not None
    assert f"FROM alice_stock_data.record_details WHERE symbol IN {charted}" in sql
    assert dialect.translate(sql, ENVIRONMENT)


def test_nothing_is_charted_where_nothing_was_seen() -> None:
    assert _chart_sql(ENVIRONMENT, Figures()) is None
