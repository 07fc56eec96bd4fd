"""Finding new records in the bucket with few LIST calls, though S3 lists only in the order of the keys.

Two ways, because a key says when something happened, not when it was stored:

- A sweep reads the whole prefix, a few pages each time, and starts again at its end. It finds everything, also replayed
  records of years ago, and it is what the number of stored objects comes from. A small bucket is swept each time.
- In between, where a sweep takes long, each group is listed from where its last writes were: new records of a
  running producer are there. A look-back covers records that were stored out of order.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from operations.records import StoredObject, list_page
from profiles.environment import Environment

SWEEP_PAGES: Final = 3  # LIST calls of a sweep each time; a page has 1,000 keys
GROUPS_FOLLOWED: Final = 12
LOOK_BACK_KEYS: Final = 200
KNOWN_KEYS: Final = 250_000  # what is remembered, about 35 MB; past that the count reads "250,000+"


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
            for group, writes in sorted(self._writes.items(), key=lambda item: item[0])[:GROUPS_FOLLOWED]:
                page, _ = list_page(self.environment, self.environment.contract.folder(group), min(writes))
                found += self._take(page)
        for item in sorted(found, key=lambda item: (item.modified, item.key)):
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
                self._finish_sweep()
                return found, started_at_beginning
            self._cursor = page[-1].key
        return found, False

    def _finish_sweep(self) -> None:
        if not self.full:
            self.known = self._swept  # objects that were deleted are forgotten
        self._swept = set()
        self._cursor = ""
        self.complete = True

    def _take(self, page: list[StoredObject]) -> list[StoredObject]:
        new = [item for item in page if item.key not in self.known and self._plausible(item)]
        if not self.full:
            self.known.update(item.key for item in new)
            self._swept.update(item.key for item in page)
        return new

    def _plausible(self, item: StoredObject) -> bool:
        """Whether an unknown object is a new one, when not all are remembered."""
        return item.group != "" and (not self.full or item.modified > self._newest)
