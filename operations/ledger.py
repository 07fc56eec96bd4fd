"""What was produced, what is stored, what is dead-lettered: three tables to compare.

They are in a private temporary SQLite database, which lives in memory while it is small and in a temporary file beyond
that, so a reconciliation of millions of ticks needs no more memory than one of thousands.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

from pipeline.tick import Tick, identity_of_key, iso_utc

from operations.deadletters import DeadLetter
from operations.stored import Foreign, Found
from producer.manifest import Sent
from terminal.untrusted import printable

_CACHE_KIB = 64 * 1024
_SAME = ""  # stored for a record without a difference; NULL: the record was not compared
_TABLES = """
    CREATE TABLE produced (
        tick_id TEXT PRIMARY KEY, symbol TEXT, price REAL, volume INTEGER, timestamp TEXT, message_id TEXT
    ) WITHOUT ROWID;
    CREATE INDEX produced_by_message ON produced (message_id);
    CREATE TABLE stored (tick_id TEXT, place TEXT, difference TEXT, PRIMARY KEY (tick_id, place)) WITHOUT ROWID;
    CREATE TABLE elsewhere (place TEXT PRIMARY KEY, what TEXT) WITHOUT ROWID;
    CREATE TABLE dead (message_id TEXT PRIMARY KEY, tick_id TEXT, reason TEXT) WITHOUT ROWID;
    CREATE INDEX dead_by_tick ON dead (tick_id);
"""


@dataclass(frozen=True, slots=True)
class DeadTick:
    """A produced tick whose message failed too often, and why."""

    message_id: str
    tick_id: str
    reason: str


class Ledger:
    """The three tables. `add_stored` may be called from several threads; `produced` has to be complete before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -{_CACHE_KIB}; {_TABLES}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._db.close()

    def add_produced(self, sent: Iterable[Sent]) -> None:
        """Add ticks of a manifest. A tick that is in two of them was produced once."""
        rows = (
            (s.tick.tick_id, s.tick.symbol, s.tick.price, s.tick.volume, s.tick.timestamp, s.message_id) for s in sent
        )
        self._write("INSERT OR IGNORE INTO produced VALUES (?, ?, ?, ?, ?, ?)", rows)

    def forget_found(self) -> None:
        """Empty the tables of what was found, to look again."""
        self._db.executescript("DELETE FROM stored; DELETE FROM elsewhere; DELETE FROM dead;")

    def add_stored(self, found: Iterable[Found]) -> None:
        """Add stored ticks, compared with what was produced where they were read; those of other runs are left out."""
        self._write(
            "INSERT OR IGNORE INTO stored "
            "SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM produced WHERE produced.tick_id = ?1)",
            [(each.tick_id, each.place, self._difference(each.tick_id, each.content)) for each in found],
        )

    def add_compacted(self, found: Iterable[Found]) -> None:
        """Add ticks of the compacted table; for a tick that is also stored elsewhere, this is only a copy."""
        self._write(
            "INSERT OR IGNORE INTO stored SELECT ?1, ?2, ?3 "
            "WHERE EXISTS (SELECT 1 FROM produced WHERE produced.tick_id = ?1) "
            "AND NOT EXISTS (SELECT 1 FROM stored WHERE stored.tick_id = ?1)",
            [(each.tick_id, each.place, self._difference(each.tick_id, each.content)) for each in found],
        )

    def add_foreign(self, found: Iterable[Foreign]) -> None:
        """Add places that hold no record."""
        self._write("INSERT OR REPLACE INTO elsewhere VALUES (?, ?)", found)

    def add_content(self, key: str, content: Tick | str | None) -> None:
        """Set the content of a stored tick that is known by its key; None: it is not stored any more."""
        identity = identity_of_key(key)
        if content is None:
            self._write("DELETE FROM stored WHERE place = ?", [(key,)])
        elif identity:
            difference = self._difference(identity[2], content)
            self._write(
                "UPDATE stored SET difference = ? WHERE tick_id = ? AND place = ?", [(difference, identity[2], key)]
            )

    def add_dead(self, letters: Iterable[DeadLetter]) -> None:
        """Add dead letters; where the body no longer tells the tick, the SQS message id does."""
        self._write(
            "INSERT OR REPLACE INTO dead SELECT ?1, COALESCE((SELECT tick_id FROM produced WHERE tick_id = ?2), "
            "(SELECT tick_id FROM produced WHERE message_id = ?1)), ?3",
            # No id that the data contract allows is changed by this, and SQLite takes no lone surrogates.
            ((letter.message_id, printable(letter.tick_id or ""), printable(letter.reason)) for letter in letters),
        )

    def symbols(self) -> list[str]:
        """The symbols that were produced."""
        return [row[0] for row in self._rows("SELECT DISTINCT symbol FROM produced ORDER BY symbol")]

    def count_produced(self) -> int:
        """How many ticks were produced."""
        return self._number("SELECT COUNT(*) FROM produced")

    def count_stored(self) -> int:
        """How many produced ticks are stored, at least once."""
        return self._number("SELECT COUNT(DISTINCT tick_id) FROM stored")

    def count_lost(self) -> int:
        """How many produced ticks are missing or duplicated."""
        return sum(1 for _ in self.missing()) + sum(1 for _ in self.duplicated())

    def count_other_dead(self) -> int:
        """How many dead letters are none of the produced ticks."""
        return self._number("SELECT COUNT(*) FROM dead WHERE tick_id IS NULL")

    def count_places(self) -> tuple[int, int]:
        """How many records are stored, and how many of them were compared."""
        places, compared = next(self._rows("SELECT COUNT(*), COUNT(difference) FROM stored"))
        return int(places), int(compared)

    def sample(self, most: int | None, seed: int) -> Iterator[str]:
        """The keys of stored records that were not compared: all, or `most` of them, the same for the same seed."""
        key = str(seed).encode()[:64]
        self._db.create_function(
            "rank", 1, lambda place: blake2b(place.encode(), digest_size=8, key=key).digest(), deterministic=True
        )
        rows = self._db.execute(
            "SELECT place FROM stored WHERE difference IS NULL ORDER BY rank(place) LIMIT ?",
            (-1 if most is None else most,),
        ).fetchall()
        return (row[0] for row in rows)

    def altered(self) -> Iterator[tuple[str, str, str]]:
        """Stored records that differ from what was produced: tick id, place, the difference."""
        return self._rows(
            "SELECT tick_id, place, difference FROM stored WHERE difference <> ? ORDER BY tick_id, place", _SAME
        )

    def foreign(self) -> Iterator[Foreign]:
        """Places that hold no record, and what is wrong there."""
        return self._rows("SELECT place, what FROM elsewhere ORDER BY place")

    def unstored(self) -> Iterator[Tick]:
        """Produced ticks that aren't stored."""
        rows = self._rows(
            "SELECT tick_id, symbol, price, volume, timestamp FROM produced "
            "WHERE tick_id NOT IN (SELECT tick_id FROM stored)"
        )
        return (Tick(*row) for row in rows)

    def dead_lettered(self) -> Iterator[DeadTick]:
        """Produced ticks that are dead-lettered and not stored, each once."""
        rows = self._rows(
            "SELECT MIN(message_id), tick_id, reason FROM dead WHERE tick_id IS NOT NULL "
            "AND tick_id NOT IN (SELECT tick_id FROM stored) GROUP BY tick_id ORDER BY tick_id"
        )
        return (DeadTick(*row) for row in rows)

    def missing(self) -> Iterator[str]:
        """Ids of produced ticks that are neither stored nor dead-lettered."""
        rows = self._rows(
            "SELECT tick_id FROM produced p WHERE NOT EXISTS (SELECT 1 FROM stored s WHERE s.tick_id = p.tick_id) "
            "AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.tick_id = p.tick_id) ORDER BY tick_id"
        )
        return (row[0] for row in rows)

    def duplicated(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Produced ticks that are stored more than once, or stored and dead-lettered, with all places."""
        rows = self._rows(
            "SELECT tick_id, JSON_GROUP_ARRAY(place) FROM "
            "(SELECT tick_id, place FROM stored UNION ALL SELECT DISTINCT tick_id, 'the dead-letter queue' FROM dead "
            "WHERE tick_id IN (SELECT tick_id FROM stored)) GROUP BY tick_id HAVING COUNT(*) > 1 ORDER BY tick_id"
        )
        return ((tick_id, tuple(sorted(json.loads(places)))) for tick_id, places in rows)

    def breaching(self, threshold: float) -> Iterator[Tick]:
        """Stored ticks at or above a price."""
        rows = self._rows(
            "SELECT tick_id, symbol, price, volume, timestamp FROM produced WHERE price >= ? "
            "AND tick_id IN (SELECT tick_id FROM stored)",
            threshold,
        )
        return (Tick(*row) for row in rows)

    def _difference(self, tick_id: str, content: Tick | str | None) -> str | None:
        """How a record differs from what was produced; `_SAME` if it doesn't, None if it was not read."""
        if not isinstance(content, Tick):
            return content
        with self._lock:
            row = self._db.execute(
                "SELECT tick_id, symbol, price, volume, timestamp FROM produced WHERE tick_id = ?", (tick_id,)
            ).fetchone()
        return "; ".join(differences(Tick(*row), content)) if row else None

    def _write(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._lock:
            self._db.execute("BEGIN")
            try:
                self._db.executemany(statement, rows)
            finally:
                self._db.execute("COMMIT")

    def _rows(self, query: str, *parameters: Any) -> Iterator[Any]:
        with closing(self._db.execute(query, parameters)) as rows:
            yield from rows

    def _number(self, query: str) -> int:
        return int(next(self._rows(query))[0])


def differences(produced: Tick, stored: Tick) -> list[str]:
    """How a record differs from what was produced, in words.

    The compacted table keeps the event time only in UTC, so a timestamp of the same point in time is no difference.
    """
    return [
        f"{name} is {ascii(there)[:80]}, {ascii(sent)[:80]} was produced"
        for name in ("tick_id", "symbol", "price", "volume", "timestamp")
        if (there := getattr(stored, name)) != (sent := getattr(produced, name))
        and (name != "timestamp" or there != iso_utc(produced.event_time))
    ]
