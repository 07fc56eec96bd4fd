"""A form that sends one record, so that a demo can cross the threshold by hand."""

import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

from nicegui import ui

from console import text
from console.actions import given_fields, make_record
from console.panels.parts import View, answer, card, say
from runtime.contract import Contract
from runtime.fields import Field, InvalidRecordError, Record

_OVER: Final = 1.33


class SendPanel:
    """An input for each field that a person gives. What the data contract refuses is not sent, and the form says why.

    `example` is a record with the values that the form begins with.
    """

    def __init__(self, contract: Contract[Any], example: Record, send: Callable[[Record], Awaitable[str]]) -> None:
        self._contract = contract
        self._is_whole = isinstance(getattr(example, contract.charted), int)
        self._send = send
        self._threshold: float | None = None
        with card(f"Send {text.with_article(contract.noun)}", "send"), ui.element("form").classes("form") as form:
            form.on("submit", self._submit, js_handler="(event) => { event.preventDefault(); emit(); }")
            self._inputs = {one.name: _input(one, getattr(example, one.name)) for one in given_fields(contract)}
            with ui.element("div").classes("form-buttons"):
                ui.button("Send", icon="send").props('type="submit" unelevated no-caps')
                self._over = ui.button("Over the threshold", icon="change_history", on_click=self._set_over)
                self._over.props('outline no-caps type="button"')
            self._answer = answer()

    def update(self, view: View) -> None:
        """Know the threshold of now."""
        self._threshold = view.model.function.threshold
        self._over.set_enabled(self._threshold is not None)

    def _set_over(self) -> None:
        if self._threshold is not None:
            over, charted = round(self._threshold + _OVER, 2), self._contract.charted
            self._inputs[charted].value = math.ceil(over) if self._is_whole else over
            say(self._answer, f"The {charted} is now over the threshold of {text.number(self._threshold)}: send it.")

    async def _submit(self) -> None:
        try:
            record = make_record(self._contract, {name: one.value for name, one in self._inputs.items()})
            say(self._answer, await self._send(record), "done")
        except (InvalidRecordError, RuntimeError) as error:
            say(self._answer, f"Not sent: {error}", "failed")


def _input(about: Field, value: Any) -> ui.input | ui.number:
    """The name of the field and, for a number, its unit: `Price, in dollars`."""
    name = about.name.replace("_", " ").capitalize()
    if about.sql_type == "string":
        return ui.input(name, value=value or "").props('outlined dense autocomplete="off"')
    step = 0.01 if about.sql_type == "double" else 1
    return ui.number(f"{name}, {about.meaning}", value=value, step=step).props("outlined dense")
