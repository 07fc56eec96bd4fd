"""How fast it goes and how long it takes: the last five minutes."""

from typing import Any

from nicegui import ui

from console import text
from console.charts import flow_chart, latency_chart
from console.model import PERCENTILES
from console.panels.parts import View, card, chart, draw
from runtime.contract import Contract


class LatencyPanel:
    """Latency percentiles of the last records, and their course."""

    def __init__(self, contract: Contract[Any]) -> None:
        hint = f"from SQS accepting {text.with_article(contract.noun)} to its processing"
        with card("Latency", "latency", hint=hint):
            with ui.element("div").classes("percentiles"):
                self._percentiles = [_figure(f"p{rank}") for rank in PERCENTILES]
            self._chart = chart("trend", "Latency, five minutes")

    def update(self, view: View) -> None:
        """Show the figures of now."""
        for label, value in zip(self._percentiles, view.model.latency_percentiles(), strict=True):
            label.set_text(text.milliseconds(value))
        draw(self._chart, latency_chart(view.model.trend, view.look))


class RatesPanel:
    """The course of the flow."""

    def __init__(self, contract: Contract[Any]) -> None:
        rate = f"{contract.plural} per second"
        with card("Flow", "rates", hint=f"{rate}, the last five minutes"):
            self._chart = chart("trend", rate.capitalize())

    def update(self, view: View) -> None:
        """Show the figures of now."""
        draw(self._chart, flow_chart(view.model.trend, view.look))


def _figure(name: str) -> ui.label:
    with ui.element("div").classes("percentile"):
        ui.label(name).classes("muted unit")
        return ui.label(text.UNKNOWN).classes("figure").props(f'data-percentile="{name}"')
