"""Which of the found objects to read: there may be more than is worth paying for, and the newest matter most."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from console.listing import Found
from console.model import POINTS_PER_SYMBOL, Record
from pipeline.tick import to_epoch_ms

READS_AT_ONCE: Final = 40  # GET calls of one refresh, at most


class ReadingList:
    """Objects that were found and not read yet: the newest of each symbol, as many as a chart has points."""

    def __init__(self) -> None:
        self._unread: dict[str, list[Found]] = {}

    def __len__(self) -> int:
        return sum(len(unread) for unread in self._unread.values())

    def add(self, found: Iterable[Found]) -> None:
        """Note new objects; what a chart would not show any more is dropped."""
        for item in found:
            self._unread.setdefault(item.symbol, []).append(item)
        for symbol, unread in self._unread.items():
            unread.sort(key=lambda item: (item.modified, item.key))
            self._unread[symbol] = unread[-POINTS_PER_SYMBOL:]

    def take(self, count: int = READS_AT_ONCE) -> list[str]:
        """The keys to read now: symbols take turns, each with its newest."""
        keys: list[str] = []
        while len(keys) < count and len(self):
            for unread in self._unread.values():
                if unread and len(keys) < count:
                    keys.append(unread.pop().key)
        return keys


def records_in(key: str, body: bytes) -> list[Record]:
    """The records of one object, one per line. A line that is no record is left out: it isn't the pipeline's."""
    records = []
    for line in body.splitlines():
        try:
            records.append(_record(key, json.loads(line)))
        except (ValueError, TypeError, KeyError):
            continue
    return records


def _record(key: str, fields: dict[str, Any]) -> Record:
    return Record(
        epoch_ms=_epoch_ms(fields["event_time"]),
        tick_id=str(fields["tick_id"]),
        symbol=str(fields["symbol"]),
        price=float(fields["price"]),
        volume=int(fields["volume"]),
        processed_ms=_epoch_ms(fields["processed_at"]),
        latency_ms=int(fields["latency_ms"]),
        alert=fields["alert"] is True,
        key=key,
    )


def _epoch_ms(timestamp: str) -> int:
    return to_epoch_ms(datetime.fromisoformat(timestamp))
