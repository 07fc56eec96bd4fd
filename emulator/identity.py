"""Who answers at an address? The endpoint itself is asked, so a container is recognised like a process of ours."""

from emulator import engines
from emulator.engine import Identity


def identify(endpoint_url: str, timeout_seconds: float = 2) -> Identity | None:
    """The engine that answers at `endpoint_url`, or None: nothing there, AWS, or no emulator."""
    # The last one first: it may also answer the health path of an earlier one.
    answers = (engine.identify(endpoint_url, timeout_seconds) for engine in reversed(list(engines.ENGINES.values())))
    return next(filter(None, answers), None)
