"""What a reading is: the field table of messages, records and tables."""

from dataclasses import dataclass
from typing import ClassVar

from runtime.contract import Contract
from runtime.fields import Record, number, text, time, whole

_NAME = r"[a-z][a-z0-9-]{0,19}"
_NAME_IN_WORDS = "1 to 20 lower-case letters, digits and '-', the first a letter"
_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_ID_IN_WORDS = "1 to 64 letters, digits, '_' or '-', starting with a letter or digit"


@dataclass(frozen=True, slots=True)
class Reading(Record):
    """What a sensor measured at one moment. A sensor without a hygrometer leaves `humidity` out."""

    ID: ClassVar = "reading_id"
    GROUP: ClassVar = ("site", "sensor")

    reading_id: str = text(
        _ID,
        f"is not {_ID_IN_WORDS}",
        meaning="unique; if it is missing, the SQS message id",
        expected=_ID_IN_WORDS,
    )
    site: str = text(
        _NAME,
        f"is not {_NAME_IN_WORDS}",
        meaning="the building",
        expected=f"{_NAME_IN_WORDS}, such as lyon",
        filterable=True,
    )
    sensor: str = text(
        _NAME,
        f"is not {_NAME_IN_WORDS}",
        meaning="the sensor's name in its building",
        expected=f"{_NAME_IN_WORDS}, such as roof",
    )
    temperature: float = number(
        above=-273.15, meaning="in °C", expected="a number of °C above -273.15, such as 21.5", filterable=True
    )
    timestamp: str = time(meaning="the event time; if it is missing, the SQS SentTimestamp")
    humidity: int | None = whole(
        0, 100, meaning="in %", expected="a whole number of % from 0 to 100, such as 45", optional=True
    )
    run: str | None = text(
        _ID,
        f"is not {_ID_IN_WORDS}",
        meaning="the run of a producer that sent it; optional",
        expected=_ID_IN_WORDS,
        optional=True,
    )


CONTRACT = Contract(Reading, prefix="readings/", noun="reading", plural="readings", charted="temperature")
