"""Did subscribers get the alerts? What the inbox holds, against the windows that should have been alerted.

The inbox is subscribed to the topic like any other subscriber, so it shows what subscribers got. Alert markers only
explain why an alert is not there: the function writes them, and they are correct even if nothing was delivered.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from operations import stored
from operations.alerts import INBOX_LIMIT, Inbox, count_alerts
from profiles.environment import Environment
from profiles.names import Names
from runtime.alerts import Marker
from runtime.clock import from_epoch_ms

# Another reader of the inbox gives messages back within this time.
_PATIENCE_SECONDS = 7


@dataclass(frozen=True)
class Unseen:
    """A window whose alert is not in the inbox, by the key of its marker, and what is known about that."""

    window: str
    why: str


@dataclass(frozen=True)
class Repeated:
    """A window that subscribers were alerted about more than once, by the key of its marker."""

    window: str
    alerts: int


@dataclass(frozen=True)
class Alerts:
    """What subscribers got. `seen`: windows with at least one alert in the inbox.

    `missing`: windows without one. `unknown`: windows without one, if the inbox can't show whether it was sent.
    """

    seen: int = 0
    missing: tuple[Unseen, ...] = ()
    unknown: tuple[Unseen, ...] = ()
    repeated: tuple[Repeated, ...] = ()


def look_for_alerts(
    environment: Environment, windows: Collection[str], *, wait: Callable[[float], None] | None = None
) -> Alerts:
    """Look for the alerts of windows, each known by its marker's key.

    `wait`: how to wait for messages that another reader of the inbox has at the moment; None: don't wait.
    """
    if not windows:
        return Alerts()
    inbox = count_alerts(environment, windows)
    tries = _PATIENCE_SECONDS
    while wait and tries and inbox.unseen and inbox.seen < INBOX_LIMIT and len(inbox.alerts) < len(windows):
        wait(1.0)
        tries -= 1
        inbox = count_alerts(environment, windows)
    absent = sorted(window for window in windows if window not in inbox.alerts)
    told = [
        (Unseen(window, why), known)
        for window, marker in stored.read_markers(environment, absent)
        for why, known in [_explain(marker, inbox, environment.names, datetime.now(UTC))]
    ]
    return Alerts(
        seen=len(inbox.alerts),
        missing=tuple(unseen for unseen, known in told if known),
        unknown=tuple(unseen for unseen, known in told if not known),
        repeated=tuple(Repeated(window, count) for window, count in sorted(inbox.alerts.items()) if count > 1),
    )


def _explain(marker: Marker, inbox: Inbox, names: Names, now: datetime) -> tuple[str, bool]:
    """Why a window's alert is not in the inbox, and whether it counts as missing; otherwise it is unknown."""
    said = f"its marker says {marker.state[:40]}" if marker.state else "it has no marker"
    if marker.is_published:
        said = f"SNS accepted it as message {marker.sns_message_id[:40] or '?'} at {_time(marker)}"
    if inbox.unseen:
        return f"{said}; about {inbox.unseen:,} messages of {names.inbox_queue} could not be seen", False
    if not marker.is_published:
        return f"{said}, and it is not in {names.inbox_queue}", True
    keeps = timedelta(seconds=inbox.keeps_seconds)
    if marker.published_ms is not None and from_epoch_ms(marker.published_ms) < now - keeps:
        return f"{said}; {names.inbox_queue} keeps messages for {keeps.days} days", False
    return (
        f"{said}, but it is not in {names.inbox_queue}: it was not delivered, or it was purged or consumed since. "
        "stockpipe can't tell which",
        True,
    )


def _time(marker: Marker) -> str:
    if marker.published_ms is None:
        return "an unknown time"
    return from_epoch_ms(marker.published_ms).isoformat(timespec="seconds")
