"""How fast it goes and how long it takes: the last five minutes."""

from nicegui import ui

from console import text
from console.charts import DARK, LIGHT, flow_chart, latency_chart
from console.model import PERCENTILES, Model
from console.panels.parts import card


class TrendsPanel:
    """Latency percentiles, their course, and the course of the flow."""

    def __init__(self) -> None:
        with card("Latency", "latency", hint="from SQS accepting a tick to its processing"):
            with ui.element("div").classes("percentiles"):
                self._percentiles = [self._figure(f"p{rank}") for rank in PERCENTILES]
            self._latency = ui.echart({}).classes("trend-chart").props('role="img" aria-label="Latency, five minutes"')
        with card("Flow", "rates", hint="ticks per second, five minutes"):
            self._flow = ui.echart({}).classes("trend-chart tall").props('role="img" aria-label="Ticks per second"')

    def update(self, model: Model, *, dark: bool) -> None:
        """Show the figures of now."""
        look = DARK if dark else LIGHT
        for label, value in zip(self._percentiles, model.latency_percentiles(), strict=True):
            label.set_text(text.milliseconds(value))
        for chart, options in (
            (self._latency, latency_chart(model.trend, look)),
            (self._flow, flow_chart(model.trend, look)),
        ):
            chart.options.clear()
            chart.options.update(options)
            chart.update()

    def _figure(self, name: str) -> ui.label:
        with ui.element("div").classes("percentile"):
            ui.label(name).classes("muted unit")
            return ui.label(text.UNKNOWN).classes("figure").props(f'data-percentile="{name}"')
