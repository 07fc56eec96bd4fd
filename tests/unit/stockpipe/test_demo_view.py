"""What a person sees of the demo, in a narrow and in a wide window."""

import io

import pytest
from rich.console import Console, RenderableType

from operations.alerts import Alert
from stockpipe.demo_view import Moment, live, show_results
from stockpipe.flow import Figures

TICK = "m20260105143000-7-000123"
RECORD = {
    "symbol": "TSLA",
    "price": 1201.33,
    "volume": 12345,
    "event_time": "2026-01-05T14:30:00.250Z",
    "latency_ms": 1234,
    "alert": True,
}
FIELDS = {"symbol": "TSLA", "tick_id": TICK, "event_time": "2026-01-05T14:30:00.250Z"}
ALERT = Alert("m-1", "Stock alert: TSLA 1201.33 >= 1200.00", "", FIELDS, 0)
FIGURES = Figures(1234, 100, 12, 12345, 1234.0, 2345.0, (RECORD,) * 8, (ALERT,) * 20)
MOMENT = Moment("http://127.0.0.1:4566", 10, 30, 12345, 0, 20.0, 19.8, FIGURES)


def lines_of(shown: RenderableType, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(shown)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 110, 130, 200])
def test_nothing_of_the_live_view_is_cut(width: int) -> None:
    lines = lines_of(live(MOMENT, width), width)
    text = "\n".join(lines)
    assert "…" not in text
    for whole in ("producer", "SQS", "Lambda", "S3", "SNS", "12,345 stored", "1,234 waiting", "100 in flight"):
        assert whole in text
    for column in ("symbol", "price", "volume", "event time", "latency", "1,201.33", "14:30:00.250", "1,234 ms"):
        assert column in text
    assert "TSLA 1201.33 >= 1200.00" in text
    assert max(map(len, lines)) <= width
    assert len(lines) <= 44


def test_alerts_stand_under_the_records_where_both_have_no_room() -> None:
    def line_with(width: int, title: str) -> int:
        return next(n for n, line in enumerate(lines_of(live(MOMENT, width), width)) if f" {title}" in line)

    assert line_with(80, "alerts ──") > line_with(80, "last records")
    assert line_with(130, "alerts ──") == line_with(130, "last records")


def test_the_closing_tables_fit_80_columns() -> None:
    out = io.StringIO()
    show_results(Console(file=out, width=80), FIGURES)
    assert out.getvalue().count(f"Stock alert: TSLA 1201.33 >= 1200.00  14:30:00.250  {TICK}") == 20
    assert "…" not in out.getvalue()
