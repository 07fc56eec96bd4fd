"""A chart per group: its value as it moves, the threshold, and where it was breached."""

from typing import Any

from nicegui import ui

from console import text
from console.charts import shows_threshold, value_chart
from console.model import GROUPS_SHOWN
from console.panels.parts import View, card, chart, draw, empty, icon
from console.series import Series
from runtime.contract import Contract


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
                with self._grid:
                    self._charts[series.group] = _Chart(self._contract, series.group)
                self._charts[series.group].root.move(target_index=place)
            self._charts[series.group].show(series, view)


class _Chart:
    """The chart of one group."""

    def __init__(self, contract: Contract[Any], group: str) -> None:
        self._contract = contract
        self._shown: object = None
        with ui.element("div").classes("chart-card") as self.root:
            self.root.props["data-group"] = group
            with ui.element("div").classes("chart-head"):
                ui.label(group).classes("group")
                self._value = ui.label("").classes("figure-small")
                self._change = ui.label("").classes("change")
            self._chart = chart("value")
            with ui.element("div").classes("chart-foot"):
                self._note = ui.label("").classes("muted")
                with ui.element("div").classes("badge alarm-ink") as self._breaches:
                    icon("change_history")
                    self._breach_count = ui.label("")

    def show(self, series: Series, view: View) -> None:
        """Draw it, if it has changed."""
        threshold, charted = view.model.function.threshold, self._contract.charted
        shown = (tuple(series.records), threshold, view.look)
        if self._shown == shown:
            return
        self._shown = shown
        last, change = series.last.value, series.change_percent
        breaches = sum(record.stored.alert for record in series.records)
        self._value.set_text(text.number(last))
        self._change.set_text("" if change is None else text.percent(change))
        self._breaches.set_visibility(breaches > 0)
        self._breach_count.set_text(f"{breaches} breach" if breaches == 1 else f"{breaches} breaches")
        self._note.set_text(_note([record.value for record in series.records], threshold))
        self._chart.props["aria-label"] = (
            f"{charted.capitalize()} of {series.group}, {len(series.records)} {self._contract.plural}, "
            f"last {text.number(last)}"
        )
        draw(self._chart, value_chart(charted, series.records, threshold, view.look))


def _note(values: list[float], threshold: float | None) -> str:
    """How far the last value is from the threshold."""
    if threshold is None:
        return ""
    distance = threshold - values[-1]
    side = f"{text.number(abs(distance))} {'below' if distance > 0 else 'above'}"
    return side if shows_threshold(values, threshold) else f"{side}, off the scale"
