"""A result as a chart in the terminal."""

import math
import re
from collections.abc import Collection, Sequence
from typing import Any

import plotext  # type: ignore[import-untyped]

from analytics.render import FRACTIONS, WHOLE, in_cell, kind
from analytics.result import HistoryError, Result

CHARACTERS_IN_LABEL = 40
LABELS_ON_AXIS = 6

_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*m")
_TIME_NAMES = {"minute", "event_time", "processed_at", "day"}


def as_chart(result: Result, *, group: Collection[str], width: int, height: int = 20, colour: bool = True) -> str:
    """A line per value of the columns `group` where another column holds times, else a bar per row.

    What is drawn is the last column of fractions, or of whole numbers. Raises `HistoryError` where nothing can be.
    """
    numbers = [i for i, column in enumerate(result.columns) if kind(column) in FRACTIONS] or [
        i for i, column in enumerate(result.columns) if kind(column) in WHOLE
    ]
    if not numbers or not result.rows:
        raise HistoryError("there is nothing to draw: a chart needs rows and a column of numbers")
    value = numbers[-1]
    figure = plotext.figure
    figure.clear()
    figure.theme("simple" if colour else "colorless")
    figure.plot_size(width, height)
    figure.title(_label(result.columns[value].name))
    times = [i for i, column in enumerate(result.columns) if column.name in _TIME_NAMES or "timestamp" in column.type]
    grouping = [i for i, column in enumerate(result.columns) if column.name in group]
    if times:
        _draw_lines(result, times[0], value, grouping)
    else:
        labels = grouping or [i for i, column in enumerate(result.columns) if kind(column) == "varchar"][:1]
        names = [_group(row, labels) or str(n) for n, row in enumerate(result.rows, start=1)]
        figure.draw(figure.bar(names, [float(row[value] or 0) for row in result.rows]))
    drawn = str(figure.build())
    return drawn if colour else _TERMINAL_CODES.sub("", drawn)


def _draw_lines(result: Result, time: int, value: int, grouping: list[int]) -> None:
    figure = plotext.figure
    drawable = [row for row in result.rows if row[time] is not None and row[value] is not None]
    moments = {moment: place for place, moment in enumerate(sorted({_label(row[time]) for row in drawable}))}
    series: dict[str, list[tuple[int, float]]] = {}
    for row in drawable:
        name = _group(row, grouping)
        series.setdefault(name, []).append((moments[_label(row[time])], float(row[value])))
    for name, points in sorted(series.items()):
        points.sort()
        signal = figure.signal([x for x, _ in points], [y for _, y in points])
        signal.lines()
        if name:
            signal.label(name)
        figure.draw(signal)
    shown = list(moments.items())[:: max(1, math.ceil(len(moments) / LABELS_ON_AXIS))]
    figure.ruler("x").ticks([place for _, place in shown], [moment for moment, _ in shown])


def _group(row: Sequence[Any], columns: list[int]) -> str:
    return _label("/".join(str(row[i]) for i in columns))


def _label(value: Any) -> str:
    return in_cell(str(value)[:CHARACTERS_IN_LABEL])
