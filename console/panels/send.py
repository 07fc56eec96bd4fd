"""A form that sends one tick, so that a demo can cross the threshold by hand."""

from collections.abc import Awaitable, Callable
from typing import Final

from nicegui import ui
from pipeline.tick import InvalidTickError, Tick

from console import text
from console.actions import make_tick
from console.model import Model
from console.panels.parts import card
from terminal.untrusted import printable

_OVER: Final = 1.33  # dollars


class SendPanel:
    """Symbol, price and volume; what the data contract refuses is said beside the button and not sent."""

    def __init__(self, send: Callable[[Tick], Awaitable[str]]) -> None:
        self._send = send
        self._threshold: float | None = None
        with card("Send a tick", "send"), ui.element("form").classes("form") as form:
            form.on("submit", self._submit, js_handler="(event) => { event.preventDefault(); emit(); }")
            self._symbol = ui.input("Symbol", value="TSLA").props('outlined dense maxlength=10 autocomplete="off"')
            self._price = ui.number("Price, $", value=1190.0, format="%.2f", step=0.01).props("outlined dense")
            self._volume = ui.number("Volume", value=100, step=1).props("outlined dense")
            with ui.element("div").classes("form-buttons"):
                ui.button("Send", icon="send").props('type="submit" unelevated no-caps')
                self._over = ui.button("Over the threshold", icon="change_history", on_click=self._set_over)
                self._over.props('outline no-caps type="button"')
            self._answer = ui.label("").classes("answer").props('role="status"')

    def update(self, model: Model) -> None:
        """Know the threshold of now."""
        self._threshold = model.function.threshold
        self._over.set_enabled(self._threshold is not None)

    def _set_over(self) -> None:
        if self._threshold is not None:
            self._price.set_value(round(self._threshold + _OVER, 2))
            self._answer.set_text(f"The price is now over the threshold of {text.price(self._threshold)}: send it.")
            self._answer.classes(replace="answer")

    async def _submit(self) -> None:
        try:
            tick = make_tick(self._symbol.value or "", self._price.value, self._volume.value)
        except InvalidTickError as error:
            self._say(f"Not sent: {error}", failed=True)
            return
        try:
            self._say(await self._send(tick), failed=False)
        except RuntimeError as error:
            self._say(f"Not sent: {error}", failed=True)

    def _say(self, sentence: str, *, failed: bool) -> None:
        self._answer.set_text(printable(sentence))
        self._answer.classes(replace="answer failed" if failed else "answer done")
