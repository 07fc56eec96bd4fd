"""Which of the found objects to read: there may be more than is worth paying for, and the newest matter most."""

from collections.abc import Iterable
from typing import Any, Final

from console.listing import Found
from console.model import POINTS_PER_GROUP, Seen
from runtime.contract import Contract
from runtime.fields import InvalidRecordError

READS_AT_ONCE: Final = 40  # GET calls of one refresh, at most


class ReadingList:
    """Objects that were found and not read yet: the newest of each group, as many as a chart has points."""

    def __init__(self) -> None:
        self._unread: dict[str, list[Found]] = {}

    def __len__(self) -> int:
        return sum(len(unread) for unread in self._unread.values())

    def add(self, found: Iterable[Found]) -> None:
        """Note new objects; what a chart would not show any more is dropped."""
        for item in found:
            self._unread.setdefault(item.group, []).append(item)
        for group, unread in self._unread.items():
            unread.sort(key=lambda item: (item.modified, item.key))
            self._unread[group] = unread[-POINTS_PER_GROUP:]

    def take(self, count: int = READS_AT_ONCE) -> list[str]:
        """The keys to read now: groups take turns, each with its newest."""
        keys: list[str] = []
        while len(keys) < count and len(self):
            for unread in self._unread.values():
                if unread and len(keys) < count:
                    keys.append(unread.pop().key)
        return keys


def records_in(contract: Contract[Any], key: str, body: bytes) -> list[Seen]:
    """The records of one object, one per line. Lines that break the data contract are left out."""
    records = []
    for line in body.splitlines():
        try:
            stored = contract.parse_stored(line)
        except InvalidRecordError:
            continue
        records.append(Seen(stored, key, getattr(stored.record, contract.charted)))
    return records
