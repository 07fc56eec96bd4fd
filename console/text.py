"""Numbers and times as the page shows them. Times are UTC, as in everything that AWS logs and stores."""

from typing import Any, Final

from runtime.clock import from_epoch_ms

UNKNOWN: Final = "\N{EN DASH}"
SLOWEST: Final = 0.005  # records per second; anything slower is shown as 0
_DAY_MS: Final = 86_400_000


def count(number: int | None, *, more: bool = False) -> str:
    """`12,154`, or a dash; `more`: there are more than were counted."""
    return UNKNOWN if number is None else f"{number:,}{'+' if more else ''}"


def counted(number: int, noun: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def per_second(rate: float | None) -> str:
    """`11.8/s`; a dash where it isn't known, `0/s` where nothing moves."""
    if rate is None:
        return UNKNOWN
    return "0/s" if rate < SLOWEST else f"{rate:.{0 if rate >= 100 else 1 if rate >= 1 else 2}f}/s"


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


def clock(at_ms: int) -> str:
    """`14:30:00`."""
    return f"{from_epoch_ms(at_ms):%H:%M:%S}"


def stamp(at_ms: int, now_ms: int) -> str:
    """`14:30:00` of today, `2013-03-01 14:30` of another day."""
    at = from_epoch_ms(at_ms)
    return f"{at:%H:%M:%S}" if at.date() == from_epoch_ms(now_ms).date() else f"{at:%Y-%m-%d %H:%M}"


def axis_label(at_ms: int, span_ms: int) -> str:
    """A chart's label: time of day within a day, date over months."""
    at = from_epoch_ms(at_ms)
    return f"{at:%H:%M:%S}" if span_ms < _DAY_MS else f"{at:%Y-%m-%d}"


def shortened(text: str, length: int) -> str:
    """At most so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
