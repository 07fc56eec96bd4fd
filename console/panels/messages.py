"""Two queues that are only looked into: the alert inbox, and the dead letters with their way back."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from nicegui import ui

from console import text
from console.model import Model
from console.panels.parts import card, empty, icon
from operations.alerts import Alert
from operations.deadletters import DeadLetter
from terminal.untrusted import printable

SHOWN = 25
_BODY_CHARACTERS = 600
_AnyMessage = TypeVar("_AnyMessage", Alert, DeadLetter)


class AlertsPanel:
    """What subscribers of the topic were sent, the newest first."""

    def __init__(self) -> None:
        with card("Alerts", "alerts") as head:
            with head:
                self._count = ui.label("").classes("muted card-hint").props('role="status"')
            self._empty = empty("notifications_none", "No alerts found in the inbox (SQS counts about 0).")
            self._list = ui.element("ul").classes("messages").props('aria-label="Alerts, newest first" tabindex="0"')
        self._rows: dict[str, ui.element] = {}

    def update(self, model: Model, now_ms: int) -> None:
        """Show what is in the inbox."""
        shown = _show(self._list, self._rows, model.alerts, lambda alert: self._row(alert, now_ms))
        self._empty.set_visibility(not shown)
        self._list.set_visibility(shown > 0)
        total = model.inbox.total if model.inbox else 0
        self._count.set_text("" if not shown else f"{shown} of {total:,} in the inbox" if total > shown else f"{total}")

    @staticmethod
    def _row(alert: Alert, now_ms: int) -> ui.element:
        with ui.element("li").classes("message") as row:
            icon("change_history").classes("alarm-ink")
            with ui.element("div").classes("message-main"):
                ui.label(printable(alert.subject)).classes("message-title")
                ui.label(printable(alert.record_id)).classes("muted mono clip")
            ui.label(text.stamp(alert.sent_ms, now_ms)).classes("muted when")
        return row


class DeadLettersPanel:
    """Messages that failed too often: why, and a button that sends them back."""

    def __init__(self, redrive: Callable[[str], Awaitable[None]], redrive_all: Callable[[], Awaitable[None]]) -> None:
        self._redrive = redrive
        with card("Dead letters", "deadletters") as head:
            with head:
                self._count = ui.label("").classes("muted card-hint").props('role="status"')
                self._all = ui.button("Redrive all", icon="replay", on_click=redrive_all).props("outline dense no-caps")
            self._empty = empty("task_alt", "No dead letters found (SQS counts about 0).")
            self._list = ui.element("ul").classes("messages").props('aria-label="Dead letters, newest first"')
        self._rows: dict[str, ui.element] = {}

    def update(self, model: Model, now_ms: int) -> None:
        """Show what is in the dead-letter queue."""
        shown = _show(self._list, self._rows, model.dead_letters, lambda letter: self._row(letter, now_ms))
        total = model.dead.total if model.dead else 0
        self._empty.set_visibility(not shown and not total)
        self._list.set_visibility(shown > 0)
        self._all.set_visibility(total > 0)
        self._count.set_text("" if not total else f"{shown} of {total:,}" if total > shown else f"{total}")

    def _row(self, letter: DeadLetter, now_ms: int) -> ui.element:
        with ui.element("li").classes("message") as row:
            icon("report").classes("alarm-ink")
            with ui.element("div").classes("message-main"):
                ui.label(printable(letter.reason)).classes("message-title")
                body = ui.label(printable(text.shortened(letter.body, _BODY_CHARACTERS))).classes("mono body")
                body.props('tabindex="0"')
                ui.label(f"{letter.message_id} · sent {text.stamp(letter.sent_ms, now_ms)}").classes("muted mono clip")
            button = ui.button("Redrive", icon="replay").props("flat dense no-caps")
            button.props["aria-label"] = f"Redrive message {letter.message_id}"
            button.on_click(lambda: self._redrive(letter.message_id))
        return row


def _show(
    parent: ui.element,
    rows: dict[str, ui.element],
    messages: list[_AnyMessage],
    make: Callable[[_AnyMessage], ui.element],
) -> int:
    """Make rows for new messages, at the top, and delete those of messages that are gone; the others stay untouched."""
    newest = {_key(message): message for message in messages[-SHOWN:]}
    for key in rows.keys() - newest.keys():
        rows.pop(key).delete()
    for key, message in newest.items():
        if key not in rows:
            with parent:
                rows[key] = make(message)
            rows[key].move(target_index=0)
    return len(newest)


def _key(message: Alert | DeadLetter) -> str:
    """A row is made anew when the reason has become known."""
    return message.message_id if isinstance(message, Alert) else f"{message.message_id} {message.reason}"
