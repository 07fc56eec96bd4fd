"""What is being done, while it is done. On a terminal also which actions are running."""

from contextlib import AbstractContextManager

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from bootstrap.executor import Event, State
from bootstrap.model import Verb

_MARKS = {
    State.DONE: "[green]✓[/]",
    State.FAILED: "[red]✗[/]",
    State.SKIPPED: "[yellow]-[/]",
    State.RACED: "[yellow]↻[/]",
}


class Progress(AbstractContextManager["Progress"]):
    """Shows each action as it ends, and on a terminal which ones are running. An observer of the executor."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: dict[str, str] = {}  # resource → its progress
        self._status: Status | None = console.status("reading what is there") if console.is_terminal else None

    def __enter__(self) -> "Progress":
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        action = event.action
        if event.state is State.RUNNING:
            self._running[action.resource] = event.note
            if event.note and not self._status:
                self._console.print(f"… {action.verb} {action.resource}: {event.note}", markup=False)
        else:
            self._running.pop(action.resource, None)
            if action.verb is not Verb.NO_CHANGE:
                self._console.print(f"{_MARKS[event.state]} {action.verb} {action.resource}{_how(event)}")
        if self._status:
            shown = (f"{resource} ({note})" if note else resource for resource, note in self._running.items())
            self._status.update(escape(", ".join(shown)))


def _how(event: Event) -> str:
    if event.state is State.DONE:
        return f"  [dim]{event.seconds:.2f} s[/]"
    return f": {escape(event.error)}"
