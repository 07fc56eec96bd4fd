"""What a person sees of the demo, in a narrow and in a wide window."""

import io

import pytest
from rich.console import Console, RenderableType

from console.model import Model
from console.series import Seen
from operations.alerts import Alert
from operations.queues import Depth
from pipeline.contract import Tick
from profiles.environment import Environment
from profiles.session import open_endpoint
from runtime.contract import Stored
from stockpipe.demo_view import Moment, live, plain, show_results
from tests.support.environments import at, stock_names

TICK = "m20260105143000-7-000123"
RECORD = Stored(Tick(TICK, "TSLA", 1201.33, 12345, "2026-01-05T14:30:00.250Z"), 0, latency_ms=1234, alert=True)
FIELDS = {"symbol": "TSLA", "tick_id": TICK, "event_time": "2026-01-05T14:30:00.250Z"}
ALERT = Alert("m-1", "Stock alert: TSLA 1201.33 >= 1200.00", "", FIELDS, 0, TICK)
MODEL = Model(
    queue=Depth(1234, 100),
    dead=Depth(12),
    objects=13345,
    objects_before=1000,
    last_records=[Seen(RECORD, "k", 1201.33)] * 9,
    alerts=[ALERT] * 20,
)
MODEL.latencies.append(1234)
MOMENT = Moment(MODEL, 10, 30, 12345, 0)


def environment(prefix: str = "") -> Environment:
    return at(open_endpoint("http://127.0.0.1:4566"), stock_names("000000000000", prefix))


def lines_of(shown: RenderableType, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(shown)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 110, 130, 200])
def test_nothing_of_the_live_view_is_cut(width: int) -> None:
    lines = lines_of(live(environment(), MOMENT, width), width)
    text = "\n".join(lines)
    assert "…" not in text
    for whole in ("producer", "SQS", "Lambda", "S3", "SNS", "12,345 stored", "1,234 waiting", "100 in flight"):
        assert whole in text
    for column in ("symbol", "price", "volume", "event time", "latency", "1,201.33", "14:30:00.250", "1,234 ms"):
        assert column in text
    assert "TSLA 1201.33 >= 1200.00" in text
    assert max(map(len, lines)) <= width
    assert len(lines) <= 44


@pytest.mark.parametrize("prefix", ["", "alice", "a-team-of-15-xx"])
def test_queue_and_topic_have_the_names_that_they_have_in_the_environment(prefix: str) -> None:
    names = stock_names("000000000000", prefix)
    text = "\n".join(lines_of(live(environment(prefix), MOMENT, 200), 200))
    assert f" SQS {names.queue} " in text
    assert f" SNS {names.topic} " in text

    out = io.StringIO()
    show_results(Console(file=out, width=200), environment(prefix), MODEL)
    assert f"as a subscriber of {names.topic} gets them" in out.getvalue()


def test_names_that_have_no_room_are_left_out() -> None:
    lines = lines_of(live(environment("a-team-of-15-xx"), MOMENT, 110), 110)
    assert "…" not in "\n".join(lines)
    assert "StockQueue" not in "\n".join(lines)


def test_alerts_stand_under_the_records_where_both_have_no_room() -> None:
    def line_with(width: int, title: str) -> int:
        return next(
            n for n, line in enumerate(lines_of(live(environment(), MOMENT, width), width)) if f" {title}" in line
        )

    assert line_with(80, "alerts ──") > line_with(80, "last records")
    assert line_with(130, "alerts ──") == line_with(130, "last records")


def test_the_closing_tables_fit_80_columns() -> None:
    out = io.StringIO()
    show_results(Console(file=out, width=80), environment(), MODEL)
    assert out.getvalue().count(f"Stock alert: TSLA 1201.33 >= 1200.00  14:30:00.250  {TICK}") == 20
    assert "…" not in out.getvalue()


def test_the_same_figures_are_one_line_elsewhere() -> None:
    assert plain(MOMENT) == (
        " 10.0 s: sent 12,345 (0.0/s), queued 1,334, stored 12,345 (0.0/s), alerts 20, "
        "latency p50 1,234 ms p95 1,234 ms"
    )
