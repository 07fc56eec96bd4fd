"""Time, passed in, so that tests wait for nothing; and how times are written."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)


def _wait(stop: threading.Event, seconds: float) -> None:
    stop.wait(min(max(0.0, seconds), threading.TIMEOUT_MAX))


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is the time in UTC; `monotonic` counts seconds and never goes back.

    `sleep` waits for so many seconds; `wait` also ends when its event is set.
    """

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wait: Callable[[threading.Event, float], None] = _wait

    def now_ms(self) -> int:
        """The time in whole milliseconds since 1970."""
        return to_epoch_ms(self.now())


def to_epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down, without a detour over floating point."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def from_epoch_ms(milliseconds: int) -> datetime:
    """The UTC time of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def iso_utc(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, for example `2026-01-05T14:30:00.250Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
