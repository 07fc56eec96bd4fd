"""The page: its parts in their places, and what a tab tells about itself."""

from pathlib import Path
from typing import Any, Final

from nicegui import ui
from nicegui.events import GenericEventArguments

from analytics.history import run_query
from bootstrap import Settings, status
from console import text
from console.actions import send_record
from console.calls import CallCounter
from console.charts import DARK, LIGHT
from console.panels.flow import FlowPanel
from console.panels.messages import AlertsPanel, DeadLettersPanel
from console.panels.parts import Panel, View, icon
from console.panels.queries import QueriesPanel
from console.panels.records import RecordsPanel
from console.panels.resources import ResourcesPanel
from console.panels.send import SendPanel
from console.panels.trends import LatencyPanel, RatesPanel
from console.panels.values import ValuesPanel
from console.refresher import Refresher
from operations.deadletters import redrive_all, redrive_one
from runtime.fields import Record

_STYLE: Final = Path(__file__).with_name("style.css")
_LOOK_SECONDS: Final = 0.25
_STATES: Final = {
    "": ("sync", "Connecting …"),
    "live": ("sensors", "Live"),
    "lost": ("cloud_off", "No connection"),
}
_THEMES: Final = {"auto": (None, "brightness_auto"), "light": (False, "light_mode"), "dark": (True, "dark_mode")}
# What no component reports: whether the tab can be seen, whether it is dark, and the theme that was chosen last time.
_BRIDGE: Final = """
    const tell = () => emitEvent('tab', {
        visible: !document.hidden, dark: document.body.classList.contains('body--dark')});
    document.addEventListener('visibilitychange', tell);
    new MutationObserver(tell).observe(document.body, {attributes: true, attributeFilter: ['class']});
    emitEvent('theme', localStorage.getItem('stockpipe-theme') || 'auto');
    tell();
"""


class Page:
    """One tab. It looks at the shared model a few times a second and shows it when it has changed.

    `example` is a record with the values that the form begins with.
    """

    def __init__(self, refresher: Refresher, settings: Settings, counter: CallCounter, example: Record) -> None:
        self._refresher = refresher
        self._environment = environment = refresher.environment
        self._model = refresher.model
        self._counter = counter
        self._tab = ui.context.client.id
        self._look = LIGHT
        self._shown = (-1, LIGHT)
        ui.add_css(_STYLE)
        self._theme, self._theme_name = ui.dark_mode(None), "auto"
        self._theme_chosen = False  # on this page, with a click
        self._head()
        act, contract = refresher.act, environment.contract
        with ui.element("div").classes("page") as figures:
            self._trouble()
            self._panels: list[Panel] = [FlowPanel(environment)]
            with ui.element("div").classes("columns"):
                with ui.element("div").classes("column-wide"):
                    self._panels += [
                        ValuesPanel(contract),
                        RatesPanel(contract),
                        DeadLettersPanel(self._redrive, self._ask_redrive_all),
                        RecordsPanel(contract),
                    ]
                    QueriesPanel(environment.pipeline, lambda *asked: act(lambda: run_query(environment, *asked)))
                with ui.element("div").classes("column-narrow"):
                    self._panels += [
                        AlertsPanel(),
                        SendPanel(contract, example, lambda record: act(lambda: send_record(environment, record))),
                        LatencyPanel(contract),
                    ]
                    self._resources = ResourcesPanel(lambda: act(lambda: status(environment, settings)))
        with ui.element("footer").classes("foot muted"):
            self._calls = ui.label("")
            ui.label(
                "Reads through AWS APIs only: less often when nothing changes, and not at all without an open tab."
            )
        ui.skip_link("Skip to the live figures", target=figures)
        ui.on("tab", self._tab_said)
        ui.on("theme", lambda event: self._remembered_theme(str(event.args)))
        ui.timer(_LOOK_SECONDS, self.update)

    async def start(self) -> None:
        """When the browser is connected: listen to the tab, and look at the resources once."""
        self._refresher.see(self._tab, visible=True)
        ui.run_javascript(_BRIDGE)
        await self._resources.check()

    def update(self) -> None:
        """Show the model, if it has changed."""
        state = (self._model.version, self._look)
        if state == self._shown:
            return
        self._shown = state
        self._show_state()
        for panel in self._panels:
            panel.update(View(self._model, self._refresher.clock.now_ms(), self._look))

    def _head(self) -> None:
        profile, names = self._environment.aws.profile, self._environment.names
        with ui.element("header").classes("head"):
            with ui.element("div").classes("brand"):
                icon("candlestick_chart")
                ui.label("stockpipe").props('role="heading" aria-level="1"')
            with ui.element("div").classes("where muted"):
                ui.label(f"{profile.name} · {names.account} · {names.environment}")
                ui.label(profile.endpoint_url or "AWS us-east-2").classes("mono")
            with ui.element("div").classes("state").props('role="status"') as self._state:
                self._state_icon, self._state_text = icon("sync"), ui.label("Connecting …")
            self._at = ui.label("").classes("muted at")  # not in the status: a reader would say it every time
            self._cost = ui.label("").classes("muted cost")
            self._theme_button = ui.button(icon="brightness_auto", on_click=self._next_theme)
            self._theme_button.props('flat round dense aria-label="Theme: follows the system"').classes("theme")

    def _trouble(self) -> None:
        with ui.element("div").classes("trouble").props('role="alert"') as self._banner:
            icon("cloud_off")
            with ui.element("div"):
                self._banner_text = ui.label("").classes("message-title")
                self._banner_advice = ui.label("")
        self._banner.set_visibility(False)

    def _show_state(self) -> None:
        trouble, at_ms = self._model.trouble, self._model.refreshed_ms
        self._banner.set_visibility(trouble is not None)
        if trouble:
            self._banner_text.set_text(trouble.text)
            self._banner_advice.set_text(
                f"{trouble.advice + '. ' if trouble.advice else ''}Since {text.clock(trouble.since_ms)} UTC; "
                "the figures below are older. The page tries again by itself."
            )
        state = "lost" if trouble else "live" if at_ms else ""
        symbol, words = _STATES[state]
        self._state.classes(replace=f"state {state}")
        self._state_icon.set_name(symbol)
        self._state_text.set_text(words)
        self._at.set_text(f"{text.clock(at_ms)} UTC" if at_ms else "")
        spending = self._counter.spending()
        self._cost.set_text(f"{spending.calls_per_hour:,.0f} API calls/h · ${spending.dollars_per_hour:.4f}/h on AWS")
        busiest = " · ".join(f"{name} {count:,}" for name, count in spending.by_operation[:6])
        self._calls.set_text(f"{spending.total:,} API calls since the start: {busiest}")

    def _tab_said(self, event: GenericEventArguments) -> None:
        said: dict[str, Any] = event.args
        self._look = DARK if said.get("dark") else LIGHT
        self._refresher.see(self._tab, visible=bool(said.get("visible")))

    def _next_theme(self) -> None:
        names = list(_THEMES)
        name = names[(names.index(self._theme_name) + 1) % len(names)]
        self._theme_chosen = True
        self._set_theme(name)
        ui.run_javascript(f"localStorage.setItem('stockpipe-theme', '{name}')")

    def _remembered_theme(self, name: str) -> None:
        """What the browser remembers comes late where somebody has already clicked: the click counts."""
        if not self._theme_chosen and name in _THEMES:
            self._set_theme(name)

    def _set_theme(self, name: str) -> None:
        self._theme_name = name
        is_dark, symbol = _THEMES[name]
        self._theme.set_value(is_dark)
        self._theme_button.props["icon"] = symbol
        self._theme_button.props["aria-label"] = f"Theme: {'follows the system' if is_dark is None else name}"

    async def _redrive(self, message_id: str | None) -> None:
        environment = self._environment
        try:
            done = await self._refresher.act(
                lambda: redrive_one(environment, message_id) if message_id else redrive_all(environment)
            )
        except RuntimeError as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return
        rest = "" if done.finished else "; SQS goes on in the background"
        ui.notify(f"{text.counted(done.moved, 'message')} sent back to the queue{rest}", type="positive")

    async def _ask_redrive_all(self) -> None:
        total = self._model.dead.total if self._model.dead else 0
        with ui.dialog() as dialog, ui.card():
            ui.label(f"Send {text.counted(total, 'dead letter')} back to the queue?").classes("message-title")
            ui.label("What fails again comes back here.").classes("muted")
            with ui.row().classes("self-end"):
                ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat no-caps")
                redrive = ui.button("Redrive", icon="replay", on_click=lambda: dialog.submit(True))
                redrive.props("unelevated no-caps autofocus")
        if await dialog:
            await self._redrive(None)
        dialog.clear()
