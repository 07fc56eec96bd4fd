"""A chart per group: its value as it moves, the threshold, and where it was breached."""

from dataclasses import dataclass
from typing import Any

from nicegui import ui

from console import text
from console.charts import shows_threshold, value_chart
from console.model import GROUPS_SHOWN
from console.panels.parts import View, card, chart, draw, empty, icon
from console.series import Series
from runtime.contract import Contract


@dataclass
class _Chart:
    root: ui.element
    value: ui.label
    change: ui.label
    chart: ui.echart
    note: ui.label
    breaches: ui.element
    breach_count: ui.label
    shown: object = None


class ValuesPanel:
    """The groups that were written last, each in its own small chart with its own scale."""

    def __init__(self, contract: Contract[Any]) -> None:
        self._contract = contract
        self._charts: dict[str, _Chart] = {}
        title = f"{contract.charted.capitalize()} by {contract.record.GROUP[-1]}"
        with card(title, "values") as (_, self._hint):
            self._empty = empty("show_chart", f"No records yet. Send {contract.plural} with: stockpipe produce")
            self._grid = ui.element("div").classes("charts")

    def update(self, view: View) -> None:
        """Show the newest values."""
        shown, known, threshold = view.model.shown_series(), len(view.model.series), view.model.function.threshold
        self._empty.set_visibility(not shown)
        hints = [
            "" if threshold is None else f"dashed line: alert threshold {text.number(threshold)}",
            f"the {GROUPS_SHOWN} written last, of {known:,}" if known > len(shown) else "",
        ]
        self._hint.set_text(" · ".join(filter(None, hints)) if shown else "")
        for group in self._charts.keys() - {series.group for series in shown}:
            self._charts.pop(group).root.delete()
        for place, series in enumerate(shown):
            if series.group not in self._charts:
                self._charts[series.group] = self._make(series.group, place)
            self._show(self._charts[series.group], series, view)

    def _make(self, group: str, place: int) -> _Chart:
        with self._grid, ui.element("div").classes("chart-card") as root:
            root.props["data-group"] = group
            with ui.element("div").classes("chart-head"):
                ui.label(group).classes("group")
                value = ui.label("").classes("figure-small")
                change = ui.label("").classes("change")
            drawing = chart("value")
            with ui.element("div").classes("chart-foot"):
                note = ui.label("").classes("muted")
                with ui.element("div").classes("badge alarm-ink") as breaches:
                    icon("change_history")
                    breach_count = ui.label("")
        root.move(target_index=place)
        return _Chart(root, value, change, drawing, note, breaches, breach_count)

    def _show(self, chart: _Chart, series: Series, view: View) -> None:
        threshold, contract = view.model.function.threshold, self._contract
        shown = (tuple(series.records), threshold, view.look)
        if chart.shown == shown:
            return
        chart.shown = shown
        last, change = series.last.value, series.change_percent
        breaches = sum(record.stored.alert for record in series.records)
        chart.value.set_text(text.number(last))
        chart.change.set_text("" if change is None else text.percent(change))
        chart.breaches.set_visibility(breaches > 0)
        chart.breach_count.set_text(f"{breaches} breach" if breaches == 1 else f"{breaches} breaches")
        chart.note.set_text(_note([record.value for record in series.records], threshold))
        chart.chart.props["aria-label"] = (
            f"{contract.charted.capitalize()} of {series.group}, {len(series.records)} {contract.plural}, "
            f"last {text.number(last)}"
        )
        draw(chart.chart, value_chart(contract.charted, series.records, threshold, view.look))


def _note(values: list[float], threshold: float | None) -> str:
    """How far the last value is from the threshold."""
    if threshold is None:
        return ""
    distance = threshold - values[-1]
    side = f"{text.number(abs(distance))} {'below' if distance > 0 else 'above'}"
    return side if shows_threshold(values, threshold) else f"{side}, off the scale"
