"""Chart options: what is drawn, and that no text of a record can become code."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from console import text
from console.charts import DARK, LIGHT, flow_chart, latency_chart, value_chart
from console.series import Seen, TrendPoint
from tests.unit.console.seen import seen


def record(number: int, price: float, *, alert: bool = False) -> Seen:
    return seen(number * 1000, price=price, alert=alert)


def keys(options: Any) -> Iterator[str]:
    if isinstance(options, dict):
        for key, value in options.items():
            yield key
            yield from keys(value)
    elif isinstance(options, list):
        for value in options:
            yield from keys(value)


def test_breaching_ticks_are_marked_at_their_place() -> None:
    options = value_chart("price", [record(1, 1190), record(2, 1201, alert=True), record(3, 1195)], 1200.0, LIGHT)

    line, marks = options["series"]
    assert line["data"] == [1190, 1201, 1195]
    assert marks["data"] == [[1, 1201]]
    assert line["markLine"]["data"] == [{"yAxis": 1200.0}]
    assert options["yAxis"]["min"] < 1190
    assert options["yAxis"]["max"] > 1201
    assert all(len(str(options["yAxis"][end])) <= len("1234.56") for end in ("min", "max")), "room for the labels"


def test_a_threshold_far_from_the_prices_does_not_flatten_them() -> None:
    options = value_chart("price", [record(1, 200), record(2, 210)], 1200.0, DARK)

    assert options["series"][0]["markLine"]["data"] == []
    assert options["yAxis"]["max"] < 220


def test_values_around_zero_are_drawn_with_room_around_them() -> None:
    options = value_chart("celsius", [record(1, -5.0), record(2, -5.0)], -4.5, LIGHT)

    assert options["series"][0]["markLine"]["data"] == [{"yAxis": -4.5}]
    assert options["yAxis"]["min"] < -5 < -4.5 < options["yAxis"]["max"]
    tiny = value_chart("grams", [record(1, 0.00125), record(2, 0.00127)], None, LIGHT)
    assert tiny["yAxis"]["min"] < 0.00125
    assert tiny["yAxis"]["max"] > 0.00127
    alone = value_chart("celsius", [record(1, 0.0)], None, LIGHT)
    assert alone["yAxis"]["min"] < 0 < alone["yAxis"]["max"]


def test_one_price_alone_and_none_can_be_drawn() -> None:
    assert value_chart("price", [record(1, 5.0)], None, LIGHT)["series"][0]["showSymbol"]
    assert value_chart("price", [], 1200.0, LIGHT)["series"][0]["data"] == []
    assert flow_chart([], LIGHT)["yAxis"]["max"] == 1
    assert latency_chart([TrendPoint(0, 0, 0, None, None)], DARK)["series"][0]["data"] == [None]


@given(st.text(), st.text())
def test_no_key_is_code_and_tooltips_are_no_html(symbol: str, tick_id: str) -> None:
    options = value_chart("price", [seen(1, tick_id=tick_id, symbol=symbol, price=1.0, alert=True)], 1.0, LIGHT)

    assert not [key for key in keys(options) if key.startswith(":")]
    assert options["tooltip"]["renderMode"] == "richText"


def test_numbers_are_written_for_people() -> None:
    assert text.count(None) == text.UNKNOWN
    assert text.count(250000, more=True) == "250,000+"
    assert [text.per_second(rate) for rate in (0.0, 0.25, 11.84, 1234.5)] == ["0/s", "0.25/s", "11.8/s", "1234/s"]
    assert [text.milliseconds(value) for value in (83.4, 12_400, 900_000)] == ["83 ms", "12.4 s", "15 min"]
    assert [text.number(value) for value in (1201.333, 9616100, 0.0, 0.00125)] == [
        *("1,201.33", "9,616,100", "0.00", "0.00125")
    ]
    assert [text.with_article(noun) for noun in ("tick", "order")] == ["a tick", "an order"]
    assert [text.counted(number, "row") for number in (1, 1200)] == ["1 row", "1,200 rows"]
    assert text.percent(-0.421) == "\N{MINUS SIGN}0.42 %"
    assert text.stamp(1_767_571_200_000, 1_767_571_260_000) == "00:00:00"
    assert text.stamp(951_868_800_000, 1_767_571_260_000) == "2000-03-01 00:00"
