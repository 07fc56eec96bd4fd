"""How fast it goes and how long it takes: the last five minutes."""

from typing import Any

from nicegui import ui

from console import text
from console.charts import DARK, LIGHT, flow_chart, latency_chart
from console.model import PERCENTILES, Model
from console.panels.parts import card, draw
from runtime.contract import Contract


class LatencyPanel:
    """Latency percentiles of the last records, and their course."""

    def __init__(self, contract: Contract[Any]) -> None:
        noun = text.with_article(contract.noun)
        with card("Latency", "latency", hint=f"from SQS accepting {noun} to its processing"):
            with ui.element("div").classes("percentiles"):
                self._percentiles = [_figure(f"p{rank}") for rank in PERCENTILES]
            self._chart = ui.echart({}).classes("trend-chart").props('role="img" aria-label="Latency, five minutes"')

    def update(self, model: Model, *, dark: bool) -> None:
        """Show the figures of now."""
        for label, value in zip(self._percentiles, model.latency_percentiles(), strict=True):
            label.set_text(text.milliseconds(value))
        draw(self._chart, latency_chart(model.trend, DARK if dark else LIGHT))


class RatesPanel:
    """The course of the flow."""

    def __init__(self, contract: Contract[Any]) -> None:
        rate = f"{contract.plural} per second"
        with card("Flow", "rates", hint=f"{rate}, the last five minutes"):
            self._chart = ui.echart({}).classes("trend-chart").props('role="img"')
            self._chart.props["aria-label"] = rate.capitalize()

    def update(self, model: Model, *, dark: bool) -> None:
        """Show the figures of now."""
        draw(self._chart, flow_chart(model.trend, DARK if dark else LIGHT))


def _figure(name: str) -> ui.label:
    with ui.element("div").classes("percentile"):
        ui.label(name).classes("muted unit")
        return ui.label(text.UNKNOWN).classes("figure").props(f'data-percentile="{name}"')
