"""Every declared resource as it is, and what about it isn't as declared."""

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from bootstrap import ResourceStatus
from console import text
from console.panels.parts import card, empty, icon
from terminal.untrusted import printable

_VALUE_CHARACTERS = 160


class ResourcesPanel:
    """Looked at when the page opens and when asked: it takes some dozens of calls."""

    def __init__(self, check: Callable[[], Awaitable[Sequence[ResourceStatus]]]) -> None:
        self._check = check
        with card("Resources", "resources") as head:
            with head:
                self._summary = ui.label("").classes("muted card-hint").props('role="status"')
                self._button = ui.button("Check", icon="refresh", on_click=self.check).props("outline dense no-caps")
                self._button.props["aria-label"] = "Check the resources again"
            self._empty = empty("hourglass_empty", "Not looked at yet.")
            self._list = ui.element("ul").classes("resources")

    async def check(self) -> None:
        """Look at all resources."""
        self._button.disable()
        self._summary.set_text("looking …")
        found: Sequence[ResourceStatus]
        try:
            found = await self._check()
        except RuntimeError as error:
            found = ()
            self._summary.set_text(printable(str(error)))
        if self._button.is_deleted:  # the tab was closed meanwhile
            return
        self._button.enable()
        if found:
            self._show(found)

    def _show(self, found: Sequence[ResourceStatus]) -> None:
        missing = sum(not resource.exists for resource in found)
        drifted = sum(bool(resource.drift) for resource in found)
        well = "all as declared"
        parts = [f"{missing} missing"] * (missing > 0) + [f"{drifted} not as declared"] * (drifted > 0)
        self._summary.set_text(f"{len(found)} resources: {', '.join(parts) or well}")
        self._empty.set_visibility(False)
        self._list.clear()
        with self._list:
            for resource in found:
                _row(resource)


def _row(resource: ResourceStatus) -> None:
    well = resource.exists and not resource.drift
    with ui.element("li").classes("resource"):
        icon("check_circle" if well else "change_circle" if resource.exists else "cancel").classes(
            "good-ink" if well else "alarm-ink"
        )
        with ui.element("div").classes("message-main"):
            ui.label(resource.resource).classes("resource-name")
            if resource.arn:
                ui.label(resource.arn).classes("muted mono clip")
            for difference in resource.drift:
                live, declared = (
                    printable(text.shortened(str(value), _VALUE_CHARACTERS))
                    for value in (difference.live, difference.declared)
                )
                ui.label(f"{difference.attribute}: {live} instead of {declared}").classes("drift")
        ui.label(resource.state or ("there" if resource.exists else "missing")).classes("muted when")
