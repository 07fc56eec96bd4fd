"""Which of the found objects to read: there may be more than is worth paying for, and the newest matter most."""

from collections.abc import Iterable
from typing import Any, Final

from console.model import POINTS_PER_GROUP, Seen
from operations.records import Found, StoredObject
from runtime.contract import Contract, Stored

READS_AT_ONCE: Final = 40  # GET calls of one refresh, at most


class ReadingList:
    """Objects that were found and not read yet: the newest of each group, as many as a chart has points."""

    def __init__(self) -> None:
        self._unread: dict[str, list[StoredObject]] = {}

    def __len__(self) -> int:
        return sum(len(unread) for unread in self._unread.values())

    def add(self, found: Iterable[StoredObject]) -> None:
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


def seen(contract: Contract[Any], found: Iterable[Found]) -> list[Seen]:
    """The valid ones of the records that were found in an object."""
    return [
        Seen(one.content, one.key, getattr(one.content.record, contract.charted))
        for one in found
        if isinstance(one.content, Stored)
    ]
