"""Two queues that are only looked into: the alert inbox, and the dead letters with their way back."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui

from console import text
from console.panels.parts import View, card, empty, icon
from operations.alerts import Alert
from operations.deadletters import DeadLetter
from operations.queues import Depth
from terminal.untrusted import printable

SHOWN = 25
_BODY_CHARACTERS = 600


class _MessagesPanel:
    """The messages of a queue, the newest first."""

    def __init__(self, title: str, area: str, symbol: str, nothing: str) -> None:
        with card(title, area, is_live=True) as (self._head, self._count):
            self._empty = empty(symbol, f"{nothing} (SQS counts about 0).")
            self._list = ui.element("ul").classes("messages").props(f'aria-label="{title}, newest first"')
        self._rows: dict[str, ui.element] = {}

    def _show(
        self, depth: Depth | None, messages: Sequence[Any], key: Callable[[Any], str], row: Callable[[Any], None]
    ) -> None:
        """Make rows for new messages, and delete those of messages that are gone; the others stay untouched."""
        newest = {key(message): message for message in messages[-SHOWN:]}
        for gone in self._rows.keys() - newest.keys():
            self._rows.pop(gone).delete()
        for name, message in newest.items():
            if name not in self._rows:
                with self._list, ui.element("li").classes("message") as self._rows[name]:
                    row(message)
                self._rows[name].move(target_index=0)
        shown, total = len(newest), depth.total if depth else 0
        self._empty.set_visibility(not shown and not total)
        self._list.set_visibility(shown > 0)
        self._count.set_text("" if not total else f"{shown} of {total:,}" if total > shown else f"{total}")


class AlertsPanel(_MessagesPanel):
    """What subscribers of the topic were sent."""

    def __init__(self) -> None:
        super().__init__("Alerts", "alerts", "notifications_none", "No alerts found in the inbox")
        self._list.props('tabindex="0"')

    def update(self, view: View) -> None:
        """Show what is in the inbox."""

        def row(alert: Alert) -> None:
            icon("change_history").classes("alarm-ink")
            with ui.element("div").classes("message-main"):
                ui.label(printable(alert.subject)).classes("message-title")
                ui.label(printable(alert.record_id)).classes("muted mono clip")
            ui.label(text.stamp(alert.sent_ms, view.now_ms)).classes("muted when")

        self._show(view.model.inbox, view.model.alerts, lambda alert: alert.message_id, row)


class DeadLettersPanel(_MessagesPanel):
    """Messages that failed too often: why, and a button that sends them back."""

    def __init__(self, redrive: Callable[[str], Awaitable[None]], redrive_all: Callable[[], Awaitable[None]]) -> None:
        super().__init__("Dead letters", "deadletters", "task_alt", "No dead letters found")
        self._redrive = redrive
        with self._head:
            self._all = ui.button("Redrive all", icon="replay", on_click=redrive_all).props("outline dense no-caps")

    def update(self, view: View) -> None:
        """Show what is in the dead-letter queue."""

        def row(letter: DeadLetter) -> None:
            icon("report").classes("alarm-ink")
            with ui.element("div").classes("message-main"):
                ui.label(printable(letter.reason)).classes("message-title")
                body = printable(text.shortened(letter.body, _BODY_CHARACTERS))
                ui.label(body).classes("mono body").props('tabindex="0"')
                about = f"{letter.message_id} · sent {text.stamp(letter.sent_ms, view.now_ms)}"
                ui.label(about).classes("muted mono clip")
            button = ui.button("Redrive", icon="replay").props("flat dense no-caps")
            button.props["aria-label"] = f"Redrive message {letter.message_id}"
            button.on_click(lambda: self._redrive(letter.message_id))

        dead = view.model.dead
        self._all.set_visibility(bool(dead and dead.total))
        # A row is made anew when the reason has become known.
        self._show(dead, view.model.dead_letters, lambda letter: f"{letter.message_id} {letter.reason}", row)
