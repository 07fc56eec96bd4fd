"""The result of a query, from either engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from profiles.errors import CannotRunError

Progress = Callable[[str], None]  # is told what happens, for a person who waits

# https://aws.amazon.com/athena/pricing/ (us-east-2): $5 per TB scanned, at least 10 MB a query
DOLLARS_PER_BYTE = 5 / 10**12
MINIMUM_BILLED_BYTES = 10 * 10**6


class HistoryError(CannotRunError):
    """A query can't be run. Its text is the engine's message, with the position in the SQL where there is one."""


@dataclass(frozen=True)
class Column:
    """A result column; `type` is Athena's name for it: `varchar`, `double`, `integer`, `bigint`, `timestamp` …"""

    name: str
    type: str


@dataclass(frozen=True)
class Result:
    """The rows of a query.

    Values are Python's: `str`, `float`, `int`, `bool`, `Decimal`, `date`, `datetime` (in UTC) or None. `scanned_bytes`
    is what Athena bills by; the offline engine counts the sizes of the objects that the query reads. `seconds` is the
    engine's time. `query_id` is Athena's. `notes` are sentences that the reader should see.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    engine: str
    scanned_bytes: int
    seconds: float
    query_id: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def cost_dollars(self) -> float:
        """What Athena charges for the query; nothing offline."""
        return max(self.scanned_bytes, MINIMUM_BILLED_BYTES) * DOLLARS_PER_BYTE if self.engine == "athena" else 0.0

    def as_dicts(self) -> list[dict[str, Any]]:
        """Each row as a dictionary by column name."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]
