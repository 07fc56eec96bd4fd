"""A chart per group: its value as it moves, the threshold, and where it was breached."""

from dataclasses import dataclass
from typing import Any

from nicegui import ui

from console import text
from console.charts import DARK, LIGHT, shows_threshold, value_chart
from console.model import GROUPS_SHOWN, Model, Series
from console.panels.parts import card, draw, empty, icon
from runtime.contract import Contract


@dataclass
class _Chart:
    root: ui.element
    value: ui.label
    change: ui.label
    note: ui.label
    breaches: ui.element
    breach_count: ui.label
    chart: ui.echart
    shown: object = None


class ValuesPanel:
    """The groups that were written last, each in its own small chart with its own scale."""

    def __init__(self, contract: Contract[Any]) -> None:
        self._contract = contract
        self._charts: dict[str, _Chart] = {}
        title = f"{contract.charted.capitalize()} by {contract.record.GROUP[-1]}"
        with card(title, "values") as head:
            with head:
                self._hint = ui.label("").classes("muted card-hint")
            self._empty = empty("show_chart", f"No records yet. Send {contract.plural} with: stockpipe produce")
            self._grid = ui.element("div").classes("charts")

    def update(self, model: Model, *, dark: bool) -> None:
        """Show the newest values."""
        shown = model.shown_series()
        self._empty.set_visibility(not shown)
        groups = text.groups(self._contract)
        more = f" · the last {GROUPS_SHOWN} of {len(model.series)} {groups}" if len(model.series) > len(shown) else ""
        threshold = model.function.threshold
        limit = "" if threshold is None else f"dashed line: alert threshold {text.number(threshold)}"
        self._hint.set_text(f"{limit}{more}" if shown else "")
        for group in self._charts.keys() - {series.group for series in shown}:
            self._charts.pop(group).root.delete()
        for place, series in enumerate(shown):
            if series.group not in self._charts:
                self._charts[series.group] = self._make(series.group, place)
            self._show(self._charts[series.group], series, threshold, dark=dark)

    def _make(self, group: str, place: int) -> _Chart:
        with self._grid, ui.element("div").classes("chart-card") as root:
            root.props["data-group"] = group
            with ui.element("div").classes("chart-head"):
                ui.label(group).classes("group")
                value = ui.label("").classes("figure-small")
                change = ui.label("").classes("change")
            chart = ui.echart({}).classes("value-chart").props('role="img"')
            with ui.element("div").classes("chart-foot"):
                note = ui.label("").classes("muted")
                with ui.element("div").classes("badge alarm-ink") as breaches:
                    icon("change_history")
                    breach_count = ui.label("")
        root.move(target_index=place)
        return _Chart(root, value, change, note, breaches, breach_count, chart)

    def _show(self, chart: _Chart, series: Series, threshold: float | None, *, dark: bool) -> None:
        shown = (tuple(series.records), threshold, dark)
        if chart.shown == shown:
            return
        chart.shown = shown
        last, change = series.last, series.change_percent
        values = [record.value for record in series.records]
        contract = self._contract
        breaches = sum(record.stored.alert for record in series.records)
        chart.value.set_text(text.number(last.value))
        chart.change.set_text("" if change is None else text.percent(change))
        chart.breaches.set_visibility(breaches > 0)
        chart.breach_count.set_text(f"{breaches} breach" if breaches == 1 else f"{breaches} breaches")
        chart.note.set_text(_note(values, last.value, threshold))
        chart.chart.props["aria-label"] = (
            f"{contract.charted.capitalize()} of {series.group}, {len(values)} {contract.plural}, "
            f"last {text.number(last.value)}"
        )
        look = DARK if dark else LIGHT
        draw(chart.chart, value_chart(contract.charted, series.records, threshold, look))


def _note(values: list[float], last: float, threshold: float | None) -> str:
    if threshold is None:
        return ""
    distance = threshold - last
    side = f"{text.number(abs(distance))} {'below' if distance > 0 else 'above'}"
    return side if shows_threshold(values, threshold) else f"{side}, off the scale"
