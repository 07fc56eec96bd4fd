"""A second, small contract, whose records belong to groups of two fields."""

from dataclasses import dataclass
from typing import ClassVar

from runtime.contract import Contract
from runtime.fields import Record, number, text, time, whole

NAME = r"[a-z][a-z0-9-]{0,19}"


@dataclass(frozen=True, slots=True)
class Reading(Record):
    """What a sensor of a site has measured."""

    ID: ClassVar = "reading_id"
    GROUP: ClassVar = ("site", "sensor")

    reading_id: str = text(r"[a-z0-9-]{1,20}", "is not an id", meaning="unique", expected="an id")
    site: str = text(NAME, "is not a name", meaning="where", expected="a name", filterable=True)
    sensor: str = text(NAME, "is not a name", meaning="which", expected="a name")
    celsius: float = number(meaning="degrees", expected="a number")
    counter: int = whole(0, 2**40, meaning="readings since it was started", expected="a whole number")
    timestamp: str = time(meaning="when")
    humidity: float | None = number(above=0, meaning="percent", expected="a number above 0", optional=True)


READINGS = Contract(Reading, prefix="readings/", noun="reading", plural="readings", charted="celsius")
READING = Reading("r-1", "lyon", "roof-2", -4.5, 7, "2026-01-05T14:30:00.250Z")
