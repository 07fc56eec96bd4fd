"""Chart options for ECharts, as pure functions of what is shown.

Colours are Okabe and Ito's, which colour-blind people can tell apart; shapes and words say the same once more. Tooltips
are drawn as text on the canvas, never as HTML, and no key of an option comes from a record: NiceGUI would run a key
that begins with a colon as JavaScript.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from console import text
from console.series import Seen, TrendPoint

BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
_FONT: Final = "Roboto, system-ui, sans-serif"
# The threshold is drawn where values come this near to it (a part of it). Further off, it would flatten the line.
_NEAR: Final = 0.2


@dataclass(frozen=True)
class Look:
    """Colours that differ between light and dark."""

    ink: str
    muted: str
    grid: str
    surface: str
    line: str


LIGHT: Final = Look("#1b2430", "#5b6675", "#e3e8ee", "#ffffff", BLUE)
DARK: Final = Look("#e6ebf2", "#9aa7b8", "#2a3442", "#161d27", SKY)


def value_chart(name: str, records: Sequence[Seen], threshold: float | None, look: Look) -> dict[str, Any]:
    """Values in the order of their events, the threshold as a dashed line, records with an alert as triangles.

    One step per record, not per second: a pause, or years between replayed days, leaves no gap.
    """
    times = [record.stored.record.epoch_ms for record in records]
    span_ms = times[-1] - times[0] if times else 0
    values = [record.value for record in records]
    drawn = [threshold] if threshold is not None and values and shows_threshold(values, threshold) else []
    low, high = _range([*values, *drawn])
    course = _line(name, values, look.line) | {
        "showSymbol": len(values) < 2,
        "symbolSize": 6,
        "areaStyle": {"color": look.line, "opacity": 0.08, "origin": "start"},
        "markLine": {
            "silent": True,
            "symbol": "none",
            "data": [{"yAxis": limit} for limit in drawn],
            "lineStyle": {"color": VERMILION, "type": "dashed", "width": 1.5},
            "label": {"show": False},
        },
    }
    alerts = {
        "name": "alert",
        "type": "scatter",
        "data": [[index, record.value] for index, record in enumerate(records) if record.stored.alert],
        "symbol": "triangle",
        "symbolSize": 9,
        "itemStyle": {"color": VERMILION, "borderColor": look.surface, "borderWidth": 1},
        "z": 5,
    }
    labels = [text.axis_label(at_ms, span_ms) for at_ms in times]
    return _chart(look, labels, {"min": low, "max": high}, [course, alerts], top=12)


def shows_threshold(values: Sequence[float], threshold: float) -> bool:
    """Whether values come near enough to the threshold for it to be in the picture."""
    near = abs(threshold) * _NEAR
    return max(values) >= threshold - near and min(values) <= threshold + near


def flow_chart(trend: Sequence[TrendPoint], look: Look) -> dict[str, Any]:
    """Records per second sent and stored."""
    return _trend_chart(trend, look, {"sent": (ORANGE, "dashed"), "stored": (look.line, "solid")})


def latency_chart(trend: Sequence[TrendPoint], look: Look) -> dict[str, Any]:
    """Median and 95th percentile of the latency over the last minutes, in milliseconds."""
    return _trend_chart(trend, look, {"p50": (look.line, "solid"), "p95": (ORANGE, "dashed")})


def _trend_chart(trend: Sequence[TrendPoint], look: Look, lines: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """A line for each of these fields of the points, with its colour and dash."""
    courses: dict[str, list[float | None]] = {name: [getattr(point, name) for point in trend] for name in lines}
    highest = max((value or 0 for values in courses.values() for value in values), default=0)
    series = [_line(name, courses[name], colour, dash) for name, (colour, dash) in lines.items()]
    labels = [text.clock(point.at_ms) for point in trend]
    y_axis = {"min": 0, "max": None if highest > 1 else 1, "minInterval": 1}
    return _chart(look, labels, y_axis, series, top=28) | {
        "legend": {
            "top": 0,
            "left": 4,
            "itemWidth": 22,
            "itemHeight": 8,
            "icon": "roundRect",
            "textStyle": {"color": look.muted, "fontFamily": _FONT, "fontSize": 12},
        }
    }


def _line(name: str, values: Sequence[float | None], colour: str, dash: str = "solid") -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "data": list(values),
        "showSymbol": False,
        "lineStyle": {"width": 2, "color": colour, "type": dash},
        "itemStyle": {"color": colour},
    }


def _chart(
    look: Look, labels: list[str], y_axis: dict[str, Any], series: list[dict[str, Any]], *, top: int
) -> dict[str, Any]:
    """A chart with one step per label; `top` is what is left free above it, in pixels."""
    axis_label = {"color": look.muted, "fontSize": 11, "showMinLabel": False, "showMaxLabel": False}
    return {
        "animation": False,
        "textStyle": {"fontFamily": _FONT, "color": look.ink},
        "tooltip": {
            "trigger": "axis",
            "renderMode": "richText",
            "confine": True,
            "backgroundColor": look.surface,
            "borderColor": look.grid,
            "textStyle": {"color": look.ink, "fontSize": 12},
        },
        "grid": {"left": 8, "right": 10, "top": top, "bottom": 4, "containLabel": True},
        "xAxis": {
            "type": "category",
            "data": labels,
            "boundaryGap": False,
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": look.grid}},
            "axisLabel": {**axis_label, "hideOverlap": True},
        },
        "yAxis": {
            "type": "value",
            "splitNumber": 3,
            "splitLine": {"lineStyle": {"color": look.grid}},
            "axisLabel": axis_label,
            **y_axis,
        },
        "series": series,
    }


def _range(values: Sequence[float]) -> tuple[float | None, float | None]:
    if not values:
        return None, None
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.01 or 1
    digits = max(2, 1 - math.floor(math.log10(margin)))  # the axis leaves room for every digit of its ends
    return round(low - margin, digits), round(high + margin, digits)
