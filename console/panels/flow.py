"""The architecture as a picture, with what is where and how fast it moves."""

from dataclasses import dataclass

from nicegui import ui

from analytics.statements import named_queries
from console import text
from console.model import Model
from console.panels.parts import icon
from profiles.environment import Environment


@dataclass
class _Node:
    figure: ui.label
    detail: ui.label
    root: ui.element

    def show(self, figure: str, detail: str, *, alarm: bool = False) -> None:
        self.figure.set_text(figure)
        self.detail.set_text(detail)
        self.root.classes(add="alarm" if alarm else "", remove="" if alarm else "alarm")


@dataclass
class _Hop:
    rate: ui.label
    root: ui.element

    def show(self, per_second: float | None) -> None:
        self.rate.set_text(text.per_second(per_second))
        moving = (per_second or 0) >= 0.005
        self.root.classes(add="moving" if moving else "", remove="" if moving else "moving")


class FlowPanel:
    """Producer → queue → function → bucket → SQL; below, where failures and alerts go."""

    def __init__(self, environment: Environment) -> None:
        names, contract = environment.names, environment.contract
        self._charted, self._groups = contract.charted, text.groups(contract)
        with ui.element("section").classes("card flow").props('id="flow" aria-label="The pipeline, live"'):
            self._producer = self._node("producer", "sensors", "Producer", f"{contract.plural} sent")
            self._send = self._hop("h1", "sent")
            self._queue = self._node("queue", "inbox", names.queue, f"{contract.plural} waiting")
            self._receive = self._hop("h2", "invocations")
            self._function = self._node("function", "functions", names.function, "invocations")
            self._store = self._hop("h3", "stored")
            self._bucket = self._node("bucket", "inventory_2", f"S3 {contract.prefix}", "records stored")
            self._history = self._hop("h4", "", kind="last")
            self._sql = self._node("sql", "query_stats", "Athena SQL", "named queries")
            self._fail = self._hop("v1", "failed", kind="side")
            self._dead = self._node("dead", "report", names.dead_letter_queue, "dead letters")
            self._alert = self._hop("v2", "alerts", kind="side")
            self._topic = self._node("topic", "notifications", names.topic, "alerts in the inbox")
        self._history.rate.set_text("")
        self._sql.show(str(len(named_queries(environment.pipeline))), "run one below")

    def update(self, model: Model) -> None:
        """Show the figures of now."""
        queue, dead, inbox, facts = model.queue, model.dead, model.inbox, model.function
        about = "≈ " if model.records_per_object != 1.0 else ""
        self._producer.show(about + text.count(model.sent, more=model.objects_are_more), "since the start")
        self._queue.show(
            text.count(queue.waiting if queue else None),
            f"{text.count(queue.in_flight if queue else None)} in flight · oldest {text.seconds(model.age_seconds)}",
        )
        p50 = model.duration_percentiles()[0]
        failed = model.invocations_failed
        state = facts.trouble or facts.mapping
        self._function.show(
            text.count(model.invocations_total),
            f"{text.count(failed)} failed · p50 {text.milliseconds(p50)} · {state or text.UNKNOWN}",
            alarm=failed > 0 or state not in ("", "Enabled"),
        )
        unread = f" · {model.unread:,} to read" if model.unread else ""
        self._bucket.show(
            about + text.count(model.stored, more=model.objects_are_more), f"{len(model.series)} {self._groups}{unread}"
        )
        self._dead.show(
            text.count(dead.total if dead else None), "each with its reason", alarm=bool(dead and dead.total)
        )
        threshold = "" if facts.threshold is None else f"{self._charted} ≥ {text.number(facts.threshold)}"
        self._topic.show(text.count(inbox.total if inbox else None), threshold)
        self._send.show(model.sent_rate.per_second())
        self._receive.show(model.invoked_rate.per_second())
        self._store.show(model.stored_rate.per_second())
        self._fail.show(model.dead_rate.per_second())
        self._alert.show(model.alert_rate.per_second())

    def _node(self, area: str, symbol: str, name: str, unit: str) -> _Node:
        with ui.element("div").classes(f"node node-{area}").style(f"grid-area: {area}") as root:
            with ui.element("div").classes("node-name"):
                icon(symbol)
                ui.label(name)
            with ui.element("div").classes("node-figure"):
                figure = ui.label(text.UNKNOWN).classes("figure").props(f'data-figure="{area}"')
                ui.label(unit).classes("muted unit")
            detail = ui.label("").classes("muted node-detail")
        return _Node(figure, detail, root)

    def _hop(self, area: str, what: str, *, kind: str = "main") -> _Hop:
        with ui.element("div").classes(f"hop {kind}").style(f"grid-area: {area}") as root:
            rate = ui.label("").classes("hop-rate").props(f'data-rate="{area}"')
            ui.element("div").classes("hop-line")
            ui.label(what).classes("muted hop-what")
        return _Hop(rate, root)
