"""How stockpipe talks to a person: what it prints, asks and shows while it works. `terminal.commands` makes commands.

Exit codes: 0 = done and true; 1 = a check says no; 2 = it could not run, and one line says why and what to do;
130 = interrupted with Ctrl-C.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from terminal.untrusted import printable

EXIT_CHECK_FAILED = 1
EXIT_CANNOT_RUN = 2

_WIDTH_WITHOUT_TERMINAL = 10_000  # characters: more than any row has


class LineConsole(Console):
    """A console that wraps for a person's terminal only: in a file or a pipe, a row of a table is one line for `grep`.

    Rich would take 80 columns there. COLUMNS overrides the detected width. Whatever is printed, control characters in
    it are shown escaped (`terminal.untrusted`); callers escape by themselves only where a table measures the text.
    """

    @property  # type: ignore[misc]  # Rich's can be set, too; nobody does
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        found = super().size
        if self.is_terminal or os.environ.get("COLUMNS"):
            return found
        return ConsoleDimensions(_WIDTH_WITHOUT_TERMINAL, found.height)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of the renderable, safe for a terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


# Rich leaves colour out by itself when the output is piped or NO_COLOR is set.
console = LineConsole(highlight=False, emoji=False)
errors = LineConsole(stderr=True, highlight=False, emoji=False)


def say(text: str | Text) -> None:
    """One line of the answer, on standard output; nothing in it is markup."""
    console.print(text, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """One line beside the answer, on standard error; nothing in it is markup."""
    errors.print(text, markup=False, soft_wrap=True)


def write(text: str) -> None:
    """A line on standard output as it is, for a script."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """One JSON document on standard output; without an indent on one line, for commands that go on and on."""
    write(json.dumps(value, indent=indent, default=str))


def confirmed(question: str) -> bool:
    """Ask a person, on standard error. Anything but yes is no; so are Ctrl-C and an end of the input."""
    errors.print(f"{question} [y/N]: ", end="", markup=False, soft_wrap=True)
    try:
        return input().strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        errors.print()
        return False


@contextmanager
def progress(first: str = "…", *, every: float = 0.0) -> Iterator[Callable[[str], None]]:
    """Show what is going on: one changing line in a terminal, elsewhere a line at most every so many seconds.

    Warnings stay, and are always shown.
    """
    said = time.monotonic() if every else 0.0
    with errors.status(first) as status:

        def observe(text: str) -> None:
            nonlocal said
            if text.startswith("warning:"):
                errors.print(text, markup=False, soft_wrap=True, style="yellow")
            elif errors.is_terminal:
                status.update(Text(text))
            elif time.monotonic() - said >= every:
                said = time.monotonic()
                note(text)

        yield observe


def repeat(step: Callable[[], None], seconds: float) -> None:
    """Take a step again and again, with a pause between, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        while True:
            step()
            time.sleep(seconds)


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set `stop`; a second one raises `KeyboardInterrupt`."""

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
