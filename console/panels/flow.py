"""The architecture as a picture, with what is where and how fast it moves."""

from nicegui import ui

from analytics.statements import named_queries
from console import text
from console.panels.parts import View, icon, mark
from profiles.environment import Environment


class _Node:
    """A station of the picture; `area` is its place."""

    def __init__(self, area: str, symbol: str, name: str, unit: str) -> None:
        with ui.element("div").classes(f"node node-{area}").style(f"grid-area: {area}") as self._root:
            with ui.element("div").classes("node-name"):
                icon(symbol)
                ui.label(name)
            with ui.element("div").classes("node-figure"):
                self._figure = ui.label(text.UNKNOWN).classes("figure").props(f'data-figure="{area}"')
                ui.label(unit).classes("muted unit")
            self._detail = ui.label("").classes("muted node-detail")

    def show(self, figure: str, detail: str, *, alarm: bool = False) -> None:
        self._figure.set_text(figure)
        self._detail.set_text(detail)
        mark(self._root, "alarm", alarm)


class FlowPanel:
    """Producer → queue → function → bucket → SQL; below, where failures and alerts go."""

    def __init__(self, environment: Environment) -> None:
        names, contract = environment.names, environment.contract
        self._charted = contract.charted
        self._hops: dict[str, tuple[ui.element, ui.label]] = {}  # by the counter that moves along it
        with ui.element("section").classes("card flow").props('id="flow" aria-label="The pipeline, live"'):
            self._producer = _Node("producer", "sensors", "Producer", f"{contract.plural} sent")
            self._hop("h1", "sent")
            self._queue = _Node("queue", "inbox", names.queue, f"{contract.plural} waiting")
            self._hop("h2", "invocations")
            self._function = _Node("function", "functions", names.function, "invocations")
            self._hop("h3", "stored")
            self._bucket = _Node("bucket", "inventory_2", f"S3 {contract.prefix}", "records stored")
            self._hop("h4", "", kind="last")
            sql = _Node("sql", "query_stats", "Athena SQL", "named queries")
            self._hop("v1", "dead", kind="side", label="failed")
            self._dead = _Node("dead", "report", names.dead_letter_queue, "dead letters")
            self._hop("v2", "alerts", kind="side")
            self._topic = _Node("topic", "notifications", names.topic, "alerts in the inbox")
        sql.show(str(len(named_queries(environment.pipeline))), "run one below")

    def update(self, view: View) -> None:
        """Show the figures of now."""
        model = view.model
        queue, dead, inbox, function = model.queue, model.dead, model.inbox, model.function
        about = "≈ " if model.records_per_object != 1.0 else ""
        self._producer.show(about + text.count(model.sent, more=model.objects_are_more), "since the start")
        self._queue.show(
            text.count(queue.waiting if queue else None),
            f"{text.count(queue.in_flight if queue else None)} in flight · oldest {text.milliseconds(model.age_ms)}",
        )
        p50, failed = model.median_duration_ms(), model.invocations_failed
        state = function.trouble or function.mapping
        self._function.show(
            text.count(model.invocations_total),
            f"{text.count(failed)} failed · p50 {text.milliseconds(p50)} · {state or text.UNKNOWN}",
            alarm=failed > 0 or state not in ("", "Enabled"),
        )
        unread = f" · {model.unread:,} to read" if model.unread else ""
        self._bucket.show(
            about + text.count(model.stored, more=model.objects_are_more), f"{len(model.series)} folders{unread}"
        )
        self._dead.show(
            text.count(dead.total if dead else None), "each with its reason", alarm=bool(dead and dead.total)
        )
        limit = function.threshold
        self._topic.show(
            text.count(inbox.total if inbox else None),
            "" if limit is None else f"{self._charted} ≥ {text.number(limit)}",
        )
        for counter, (hop, label) in self._hops.items():
            rate = model.per_second(counter)
            label.set_text(text.per_second(rate))
            mark(hop, "moving", (rate or 0) >= text.SLOWEST)

    def _hop(self, area: str, counter: str, *, kind: str = "main", label: str = "") -> None:
        with ui.element("div").classes(f"hop {kind}").style(f"grid-area: {area}") as root:
            rate = ui.label("").classes("hop-rate").props(f'data-rate="{area}"')
            ui.element("div").classes("hop-line")
            ui.label(label or counter).classes("muted hop-what")
        if counter:
            self._hops[counter] = root, rate
