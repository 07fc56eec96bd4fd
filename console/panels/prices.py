"""A chart per symbol: its price as it moves, the threshold, and where it was breached."""

from dataclasses import dataclass

from nicegui import ui

from console import text
from console.charts import DARK, LIGHT, price_chart, shows_threshold
from console.model import SYMBOLS_SHOWN, Model, Series
from console.panels.parts import card, draw, empty, icon


@dataclass
class _Chart:
    root: ui.element
    price: ui.label
    change: ui.label
    note: ui.label
    breaches: ui.element
    breach_count: ui.label
    chart: ui.echart
    shown: object = None


class PricesPanel:
    """The symbols that were written last, each in its own small chart with its own scale."""

    def __init__(self) -> None:
        self._charts: dict[str, _Chart] = {}
        with card("Prices", "prices") as head:
            with head:
                self._hint = ui.label("").classes("muted card-hint")
            self._empty = empty("show_chart", "No records yet. Send ticks with: stockpipe produce")
            self._grid = ui.element("div").classes("charts")

    def update(self, model: Model, *, dark: bool) -> None:
        """Show the newest prices."""
        shown = model.shown_series()
        self._empty.set_visibility(not shown)
        more = f" · the last {SYMBOLS_SHOWN} of {len(model.series)} symbols" if len(model.series) > len(shown) else ""
        threshold = model.function.threshold
        limit = "" if threshold is None else f"dashed line: alert threshold {text.price(threshold)}"
        self._hint.set_text(f"{limit}{more}" if shown else "")
        for symbol in self._charts.keys() - {series.symbol for series in shown}:
            self._charts.pop(symbol).root.delete()
        for place, series in enumerate(shown):
            if series.symbol not in self._charts:
                self._charts[series.symbol] = self._make(series.symbol, place)
            self._show(self._charts[series.symbol], series, threshold, dark=dark)

    def _make(self, symbol: str, place: int) -> _Chart:
        with self._grid, ui.element("div").classes("chart-card") as root:
            root.props["data-symbol"] = symbol
            with ui.element("div").classes("chart-head"):
                ui.label(symbol).classes("symbol")
                price = ui.label("").classes("figure-small")
                change = ui.label("").classes("change")
            chart = ui.echart({}).classes("price-chart").props('role="img"')
            with ui.element("div").classes("chart-foot"):
                note = ui.label("").classes("muted")
                with ui.element("div").classes("badge alarm-ink") as breaches:
                    icon("change_history")
                    breach_count = ui.label("")
        root.move(target_index=place)
        return _Chart(root, price, change, note, breaches, breach_count, chart)

    def _show(self, chart: _Chart, series: Series, threshold: float | None, *, dark: bool) -> None:
        shown = (tuple(series.records), threshold, dark)
        if chart.shown == shown:
            return
        chart.shown = shown
        last = series.last
        prices = [record.price for record in series.records]
        breaches = sum(record.alert for record in series.records)
        chart.price.set_text(text.price(last.price))
        chart.change.set_text(text.percent(series.change_percent))
        chart.breaches.set_visibility(breaches > 0)
        chart.breach_count.set_text(f"{breaches} breach" if breaches == 1 else f"{breaches} breaches")
        chart.note.set_text(_note(prices, last.price, threshold))
        chart.chart.props["aria-label"] = (
            f"Price of {series.symbol}, {len(prices)} ticks, last {text.price(last.price)}"
        )
        draw(chart.chart, price_chart(series.records, threshold, DARK if dark else LIGHT))


def _note(prices: list[float], last: float, threshold: float | None) -> str:
    if threshold is None:
        return ""
    distance = threshold - last
    side = f"{text.price(abs(distance))} {'below' if distance > 0 else 'above'}"
    return side if shows_threshold(prices, threshold) else f"{side}, off the scale"
