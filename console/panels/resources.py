"""Every declared resource as it is, and how it differs from its declaration."""

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from bootstrap import ResourceStatus
from console import text
from console.panels.parts import card, empty, icon
from terminal.untrusted import printable

_VALUE_CHARACTERS = 160


class ResourcesPanel:
    """Checked when the page opens and when asked: it takes some dozens of calls."""

    def __init__(self, check: Callable[[], Awaitable[Sequence[ResourceStatus]]]) -> None:
        self._check = check
        with card("Resources", "resources", is_live=True) as (head, self._summary):
            with head:
                self._button = ui.button("Check", icon="refresh", on_click=self.check).props("outline dense no-caps")
                self._button.props["aria-label"] = "Check the resources again"
            self._empty = empty("hourglass_empty", "Not checked yet.")
            self._list = ui.element("ul").classes("resources")

    async def check(self) -> None:
        """Check all resources."""
        self._button.disable()
        self._summary.set_text("checking …")
        try:
            found = await self._check()
            said = summary(found)
        except RuntimeError as error:
            found, said = (), printable(str(error))
        if self._button.is_deleted:  # the tab was closed meanwhile
            return
        self._button.enable()
        self._summary.set_text(said)
        if found:
            self._empty.set_visibility(False)
            self._list.clear()
            with self._list:
                for resource in found:
                    _row(resource)


def summary(found: Sequence[ResourceStatus]) -> str:
    """How many resources there are, and how many of them are not as declared."""
    counted = {
        "missing": sum(not one.exists and not one.skipped for one in found),
        "not as declared": sum(bool(one.drift) for one in found),
        "not available at this endpoint": sum(bool(one.skipped) for one in found),
    }
    parts = [f"{number} {what}" for what, number in counted.items() if number]
    return f"{len(found)} resources: {', '.join(parts) or 'all as declared'}"


def _row(resource: ResourceStatus) -> None:
    symbol, ink = look(resource)
    with ui.element("li").classes("resource"):
        icon(symbol).classes(ink)
        with ui.element("div").classes("message-main"):
            ui.label(resource.resource).classes("resource-name")
            if resource.arn:
                ui.label(resource.arn).classes("muted mono clip")
            if resource.skipped:
                ui.label(printable(resource.skipped)).classes("muted")
            for difference in resource.drift:
                live, declared = (
                    printable(text.shortened(str(value), _VALUE_CHARACTERS))
                    for value in (difference.live, difference.declared)
                )
                ui.label(f"{difference.attribute}: {live} instead of {declared}").classes("drift")
        ui.label(resource.state or ("there" if resource.exists else "missing")).classes("muted when")


def look(resource: ResourceStatus) -> tuple[str, str]:
    """Its icon, and the icon's colour: one that is not available at this endpoint is neither good nor wrong."""
    if resource.skipped:
        return "remove_circle_outline", "muted"
    if resource.as_declared:
        return "check_circle", "good-ink"
    return "change_circle" if resource.exists else "cancel", "alarm-ink"
