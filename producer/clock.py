"""Time as the producer sees it: injected, so that pacing and waits are tested without sleeping."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock in seconds, and a way to wait."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Wait for `seconds`, or until `stop` is set."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Wait for `seconds` (or as long as the system can, where that is less), or until `stop` is set."""
        stop.wait(min(max(0.0, seconds), threading.TIMEOUT_MAX))
