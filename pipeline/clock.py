"""Time, passed in, so that tests wait for nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is the time in UTC; `sleep` waits for so many seconds."""

    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
