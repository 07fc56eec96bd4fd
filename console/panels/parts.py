"""What several panels use: what they show, and small elements."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from nicegui import ui

from console.charts import Look
from console.model import Model
from terminal.untrusted import printable


@dataclass(frozen=True)
class View:
    """What is shown: the figures of now, the time in milliseconds since 1970, and the colours of charts."""

    model: Model
    now_ms: int
    look: Look


class Panel(Protocol):
    """A part of the page that follows the model."""

    def update(self, view: View) -> None:
        """Show the figures of now."""


@contextmanager
def card(title: str, area: str, *, hint: str = "", is_live: bool = False) -> Iterator[tuple[ui.element, ui.label]]:
    """A section with a heading; `area` is its anchor and its place on a phone. Yields the heading's row and its hint.

    `is_live`: the hint changes, and a reader of the page says so.
    """
    props = f'id="{area}" aria-labelledby="{area}-title"'
    with ui.element("section").classes(f"card card-{area}").props(props):
        with ui.element("div").classes("card-head") as head:
            ui.label(title).classes("card-title").props(f'id="{area}-title" role="heading" aria-level="2"')
            about = ui.label(hint).classes("muted card-hint").props('role="status"' if is_live else "")
        yield head, about


def icon(name: str) -> ui.icon:
    """A decorative icon: a reader of the page hears the words beside it."""
    return ui.icon(name).props('aria-hidden="true"')


def empty(symbol: str, text: str) -> ui.element:
    """What a panel shows while it has nothing."""
    with ui.element("div").classes("empty") as element:
        icon(symbol)
        ui.label(text)
    return element


def mark(element: ui.element, name: str, is_so: bool) -> None:
    """Give an element a class, or take it away."""
    element.classes(add=name if is_so else "", remove="" if is_so else name)


def answer() -> ui.label:
    """Where a panel says what became of an action."""
    return ui.label("").classes("answer").props('role="status"')


def say(label: ui.label, sentence: str, outcome: str = "") -> None:
    """Say it in an `answer`; `outcome` is `done` or `failed`, and nothing while it isn't known."""
    label.set_text(printable(sentence))
    label.classes(replace=f"answer {outcome}")


def chart(kind: str, label: str = "") -> ui.echart:
    """A chart, which is an image to a reader of the page."""
    made = ui.echart({}).classes(f"{kind}-chart").props('role="img"')
    made.props["aria-label"] = label
    return made


def draw(chart: ui.echart, options: dict[str, Any]) -> None:
    """Give a chart new options as a whole."""
    chart.options.clear()
    chart.options.update(options)
    chart.update()
