"""What a tick is: the field table of messages, records and tables."""

from dataclasses import dataclass
from typing import ClassVar

from runtime.contract import Contract
from runtime.fields import LARGEST_INT, Record, number, text, time, whole


@dataclass(frozen=True, slots=True)
class Tick(Record):
    """One trade."""

    ID: ClassVar = "tick_id"
    GROUP: ClassVar = ("symbol",)

    tick_id: str = text(
        r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
        "is not 1 to 64 letters, digits, '_' or '-'",
        meaning="unique; if it is missing, the SQS message id",
        expected="1 to 64 letters, digits, '_' or '-', starting with a letter or digit",
    )
    symbol: str = text(
        r"[A-Z][A-Z0-9.-]{0,9}",
        "does not match [A-Z][A-Z0-9.-]{0,9}",
        meaning="the share's ticker symbol",
        expected="1 to 10 of A-Z, 0-9, '.' and '-', the first a letter, such as TSLA",
        filterable=True,
    )
    price: float = number(
        above=0, meaning="in dollars", expected="a number above 0, in dollars, such as 130.31", filterable=True
    )
    volume: int = whole(
        0,
        LARGEST_INT,
        meaning="in shares",
        expected=f"a whole number of shares from 0 to {LARGEST_INT}, such as 9616100",
    )
    timestamp: str = time(meaning="the event time; if it is missing, the SQS SentTimestamp")
    run: str | None = text(
        r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
        "is not 1 to 64 letters, digits, '_' or '-'",
        meaning="the run of a producer that sent it; optional",
        expected="1 to 64 letters, digits, '_' or '-'",
        optional=True,
    )


CONTRACT = Contract(Tick, prefix="processed/", noun="tick", plural="ticks", charted="price")
