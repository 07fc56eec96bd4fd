"""Finding new records in the bucket with few LIST calls, and which of them to read with few GET calls.

S3 lists in the order of the keys, and a key says when something happened, not when it was stored. So:

- A sweep reads the whole prefix, a few pages each time, and starts again at its end. It finds everything, also replayed
  records of years ago, and it is what the number of stored objects comes from. A small bucket is swept each time.
- In between, where a sweep takes long, each group is listed from where its last writes were: new records of a
  running producer are there. A look-back covers records that were stored out of order.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from console.series import POINTS_PER_GROUP, Seen
from operations.records import Found, StoredObject, list_page
from profiles.environment import Environment
from runtime.contract import Contract, Stored

SWEEP_PAGES: Final = 3  # LIST calls of a sweep each time; a page has 1,000 keys
GROUPS_FOLLOWED: Final = 12
LOOK_BACK_KEYS: Final = 200
KNOWN_KEYS: Final = 250_000  # what is remembered, about 35 MB; past that the count reads "250,000+"
READS_AT_ONCE: Final = 40  # GET calls of one refresh, at most


@dataclass
class RecordListing:
    """What is known of the objects under the contract's prefix. Not for several threads."""

    environment: Environment
    sweep_pages: int = SWEEP_PAGES
    known: set[str] = field(default_factory=set)
    complete: bool = False
    _cursor: str = ""
    _swept: set[str] = field(default_factory=set)
    _newest: float = 0.0
    _writes: dict[str, deque[str]] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """More objects than are remembered."""
        return len(self.known) >= KNOWN_KEYS

    def find(self) -> list[StoredObject]:
        """The objects that are new since the last time, in no particular order."""
        found, wrapped = self._sweep()
        if not wrapped:
            for group, writes in sorted(self._writes.items())[:GROUPS_FOLLOWED]:
                page, _ = list_page(self.environment, self.environment.contract.folder(group), min(writes))
                found += self._take(page)
        for item in sorted(found, key=_written):
            self._writes.setdefault(item.group, deque(maxlen=LOOK_BACK_KEYS)).append(item.key)
            self._newest = max(self._newest, item.modified)
        return found

    def _sweep(self) -> tuple[list[StoredObject], bool]:
        """Go on with the sweep; also whether one call of `find` was enough for all of it."""
        found: list[StoredObject] = []
        started_at_beginning = not self._cursor
        for _ in range(self.sweep_pages):
            page, more = list_page(self.environment, self.environment.contract.prefix, self._cursor)
            found += self._take(page)
            if not more:
                if not self.full:
                    self.known = self._swept  # objects that were deleted are forgotten
                self._swept, self._cursor, self.complete = set(), "", True
                return found, started_at_beginning
            self._cursor = page[-1].key
        return found, False

    def _take(self, page: list[StoredObject]) -> list[StoredObject]:
        new = [item for item in page if item.key not in self.known and self._plausible(item)]
        if not self.full:
            self.known.update(item.key for item in new)
            self._swept.update(item.key for item in page)
        return new

    def _plausible(self, item: StoredObject) -> bool:
        """Whether an unknown object is a new one, when not all are remembered."""
        return item.group != "" and (not self.full or item.modified > self._newest)


class ReadingList:
    """Objects that were found and not read yet: the newest of each group, as many as a chart has points.

    There may be more than is worth paying for. `since_ms`: what was stored before is not read, ms since 1970.
    """

    def __init__(self, since_ms: int = 0) -> None:
        self._since = since_ms // 1000  # S3 tells whole seconds
        self._unread: dict[str, list[StoredObject]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._unread.values()))

    def add(self, found: Iterable[StoredObject]) -> None:
        """Note new objects; what a chart would not show any more is dropped."""
        for item in found:
            if item.modified >= self._since:
                self._unread.setdefault(item.group, []).append(item)
        for group, unread in self._unread.items():
            self._unread[group] = sorted(unread, key=_written)[-POINTS_PER_GROUP:]

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


def _written(item: StoredObject) -> tuple[float, str]:
    return item.modified, item.key
