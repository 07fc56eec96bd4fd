"""Numbers and times as the page shows them. Times are UTC, as in everything that AWS logs and stores."""

from datetime import UTC, datetime
from typing import Any, Final

from runtime.contract import Contract

UNKNOWN: Final = "\N{EN DASH}"
_DAY_MS: Final = 86_400_000


def count(number: int | None, *, more: bool = False) -> str:
    """`12,154`, or a dash; `more`: there are more than were counted."""
    return UNKNOWN if number is None else f"{number:,}{'+' if more else ''}"


def per_second(rate: float | None) -> str:
    """`11.8/s`; a dash where it isn't known, `0/s` where nothing moves."""
    if rate is None:
        return UNKNOWN
    return (
        "0/s" if rate < 0.005 else f"{rate:.0f}/s" if rate >= 100 else f"{rate:.1f}/s" if rate >= 1 else f"{rate:.2f}/s"
    )


def number(value: float) -> str:
    """`1,201.33`; a whole number as it is, and three digits of a fraction too small for two decimal places."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if not value or abs(value) >= 0.01 else f"{value:.3g}"


def cell(value: Any) -> str:
    """A record's value in a table."""
    return number(value) if isinstance(value, int | float) else str(value or "")


def with_article(noun: str) -> str:
    """`a tick`, `an order`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def groups(contract: Contract[Any]) -> str:
    """What records are grouped by, in the plural: `symbols`."""
    return f"{contract.record.GROUP[-1]}s"


def percent(value: float) -> str:
    """`+0.42 %`, with a real minus sign."""
    return f"{value:+.2f} %".replace("-", "\N{MINUS SIGN}")


def milliseconds(value: float | None) -> str:
    """`83 ms`, from ten seconds up `12.4 s`, from ten minutes up `25 min`."""
    if value is None:
        return UNKNOWN
    if value < 10_000:
        return f"{value:,.0f} ms"
    return f"{value / 1000:.1f} s" if value < 600_000 else f"{value / 60_000:.0f} min"


def seconds(value: float | None) -> str:
    """A duration that is given in seconds."""
    return milliseconds(None if value is None else value * 1000)


def moment(at_ms: int) -> datetime:
    """The calendar's view of milliseconds since 1970."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def clock(at_ms: int) -> str:
    """`14:30:00`."""
    return f"{moment(at_ms):%H:%M:%S}"


def stamp(at_ms: int, now_ms: int) -> str:
    """`14:30:00` of today, `2013-03-01 14:30` of another day."""
    at = moment(at_ms)
    return f"{at:%H:%M:%S}" if at.date() == moment(now_ms).date() else f"{at:%Y-%m-%d %H:%M}"


def axis_label(at_ms: int, span_ms: int) -> str:
    """A chart's label: time of day within a day, date over months."""
    at = moment(at_ms)
    return f"{at:%H:%M:%S}" if span_ms < _DAY_MS else f"{at:%Y-%m-%d}"


def shortened(text: str, length: int) -> str:
    """At most so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
