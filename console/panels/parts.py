"""Small elements that several panels use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import ui


@contextmanager
def card(title: str, area: str, *, hint: str = "") -> Iterator[ui.element]:
    """A section with a heading; `area` is its anchor and its place on a phone. Yields the heading's row."""
    with (
        ui.element("section")
        .classes("card")
        .props(f'id="{area}" aria-labelledby="{area}-title"')
        .classes(f"card-{area}")
    ):
        with ui.element("div").classes("card-head") as head:
            ui.label(title).classes("card-title").props(f'id="{area}-title" role="heading" aria-level="2"')
            if hint:
                ui.label(hint).classes("muted card-hint")
        yield head


def icon(name: str) -> ui.icon:
    """A decorative icon: a reader of the page hears the words beside it."""
    return ui.icon(name).props('aria-hidden="true"')


def empty(symbol: str, text: str) -> ui.element:
    """What a panel shows while it has nothing."""
    with ui.element("div").classes("empty") as element:
        icon(symbol)
        ui.label(text)
    return element


def draw(chart: ui.echart, options: dict[str, Any]) -> None:
    """Give a chart new options as a whole."""
    chart.options.clear()
    chart.options.update(options)
    chart.update()
