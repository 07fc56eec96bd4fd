"""Charts for the terminal."""

from analytics import Column, Result
from analytics.chart import as_chart
from tests.unit.analytics.test_render import RESULT


def test_a_chart_shows_hostile_text_without_obeying_it() -> None:
    drawn = as_chart(RESULT, group=(), width=100, colour=False)
    assert not [one for one in drawn if one != "\n" and not one.isprintable()]


def test_bars_have_the_names_of_whole_groups() -> None:
    columns = Column("site", "varchar"), Column("sensor", "varchar"), Column("highest", "double")
    rows = ("lyon", "roof", 32.5), ("lyon", "cellar", 13.0)

    drawn = as_chart(Result(columns, rows, "duckdb", 0, 0.0), group=("site", "sensor"), width=80, colour=False)

    assert "lyon/roof" in drawn
    assert "lyon/cellar" in drawn
