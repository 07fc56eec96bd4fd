"""What was produced, what is stored, what is dead-lettered: tables to compare.

They are in a private temporary SQLite database, which lives in memory while it is small and in a temporary file beyond
that, so a reconciliation of millions of records needs no more memory than one of thousands.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

from operations.deadletters import DeadLetter
from operations.records import Content, Foreign, Found
from producer.manifest import Sent
from runtime.clock import iso_utc
from runtime.contract import Contract, Stored
from runtime.fields import Record, values_of
from terminal.untrusted import printable

_CACHE_KIB = 64 * 1024
_SAME = ""  # stored for a record without a difference; NULL: the record was not compared
_TABLES = """
    CREATE TABLE produced (
        id TEXT PRIMARY KEY, grouped_by TEXT, body TEXT, message_id TEXT, windows TEXT
    ) WITHOUT ROWID;
    CREATE INDEX produced_by_message ON produced (message_id);
    CREATE TABLE stored (id TEXT, place TEXT, difference TEXT, PRIMARY KEY (id, place)) WITHOUT ROWID;
    CREATE TABLE elsewhere (place TEXT PRIMARY KEY, what TEXT) WITHOUT ROWID;
    CREATE TABLE dead (message_id TEXT PRIMARY KEY, id TEXT, reason TEXT) WITHOUT ROWID;
    CREATE INDEX dead_by_record ON dead (id);
"""


@dataclass(frozen=True, slots=True)
class DeadRecord:
    """A produced record whose message failed too often, and why."""

    message_id: str
    record_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A record that is stored more than once, or both stored and dead-lettered."""

    record_id: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Altered:
    """A stored record that differs from what was produced, or that is not a valid record."""

    record_id: str
    place: str
    difference: str


class Ledger:
    """The tables. `add_stored` may be called from several threads; `produced` has to be complete before.

    `windows` returns the keys of the markers of a record's alert windows.
    """

    def __init__(self, contract: Contract[Any], windows: Callable[[Record], Sequence[str]]) -> None:
        self._contract = contract
        self._windows = windows
        self._lock = threading.Lock()
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -{_CACHE_KIB}; {_TABLES}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._db.close()

    def add_produced(self, sent: Iterable[Sent]) -> None:
        """Add records of a manifest. A record that is in two of them was produced once."""
        rows = (
            (
                each.record.id,
                each.record.group,
                self._contract.encode(each.record),
                each.message_id,
                json.dumps(self._windows(each.record)),
            )
            for each in sent
        )
        self._write("INSERT OR IGNORE INTO produced VALUES (?, ?, ?, ?, ?)", rows)

    def forget_found(self) -> None:
        """Empty the tables of what was found, to look again."""
        self._db.executescript("DELETE FROM stored; DELETE FROM elsewhere; DELETE FROM dead;")

    def add_stored(self, found: Iterable[Found], *, copies: bool = True) -> None:
        """Add stored records, compared with what was produced where they were read, without those of other runs.

        Without `copies`, one that is stored elsewhere already is left out.
        """
        self._write(
            "INSERT OR IGNORE INTO stored SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM produced WHERE id = ?1) "
            "AND (?4 OR NOT EXISTS (SELECT 1 FROM stored WHERE stored.id = ?1))",
            [(each.record_id, each.place, self._difference(each.record_id, each.content), copies) for each in found],
        )

    def add_compacted(self, found: Iterable[Found]) -> None:
        """Add records of the compacted table; for one that is also stored elsewhere, this is only a copy."""
        self.add_stored(found, copies=False)

    def add_foreign(self, found: Iterable[Foreign]) -> None:
        """Add places that hold no record."""
        self._write("INSERT OR REPLACE INTO elsewhere VALUES (?, ?)", found)

    def add_content(self, key: str, content: Content) -> None:
        """Set the content of a stored record that is known by its key; None: it is not stored any more."""
        identity = self._contract.identity_of_key(key)
        if content is None:
            self._write("DELETE FROM stored WHERE place = ?", [(key,)])
        elif identity:
            difference = self._difference(identity[2], content)
            self._write("UPDATE stored SET difference = ? WHERE id = ? AND place = ?", [(difference, identity[2], key)])

    def add_dead(self, letters: Iterable[DeadLetter]) -> None:
        """Add dead letters; where the body no longer tells the id, the SQS message id does."""
        self._write(
            "INSERT OR REPLACE INTO dead SELECT ?1, COALESCE((SELECT id FROM produced WHERE id = ?2), "
            "(SELECT id FROM produced WHERE message_id = ?1)), ?3",
            # No id that the data contract allows is changed by this, and SQLite takes no lone surrogates.
            ((letter.message_id, printable(letter.record_id or ""), printable(letter.reason)) for letter in letters),
        )

    def groups(self) -> list[str]:
        """The groups of the produced records."""
        return [row[0] for row in self._rows("SELECT DISTINCT grouped_by FROM produced ORDER BY grouped_by")]

    def count_produced(self) -> int:
        """How many records were produced."""
        return self._number("SELECT COUNT(*) FROM produced")

    def count_stored(self) -> int:
        """How many produced records are stored, at least once."""
        return self._number("SELECT COUNT(DISTINCT id) FROM stored")

    def count_lost(self) -> int:
        """How many produced records are missing or duplicated."""
        return sum(1 for _ in self.missing()) + sum(1 for _ in self.duplicated())

    def count_other_dead(self) -> int:
        """How many dead letters are not produced records."""
        return self._number("SELECT COUNT(*) FROM dead WHERE id IS NULL")

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

    def altered(self) -> Iterator[Altered]:
        """Stored records that differ from what was produced."""
        rows = self._rows("SELECT id, place, difference FROM stored WHERE difference <> ? ORDER BY id, place", _SAME)
        return (Altered(*row) for row in rows)

    def foreign(self) -> Iterator[Foreign]:
        """Places that hold no record, and what is wrong there."""
        return self._rows("SELECT place, what FROM elsewhere ORDER BY place")

    def unstored(self) -> Iterator[Record]:
        """Produced records that aren't stored."""
        rows = self._rows("SELECT body FROM produced WHERE id NOT IN (SELECT id FROM stored)")
        return (self._produced(row[0]) for row in rows)

    def dead_lettered(self) -> Iterator[DeadRecord]:
        """Produced records that are dead-lettered and not stored, each once."""
        rows = self._rows(
            "SELECT MIN(message_id), id, reason FROM dead WHERE id IS NOT NULL "
            "AND id NOT IN (SELECT id FROM stored) GROUP BY id ORDER BY id"
        )
        return (DeadRecord(*row) for row in rows)

    def missing(self) -> Iterator[str]:
        """Ids of produced records that are neither stored nor dead-lettered."""
        rows = self._rows(
            "SELECT id FROM produced p WHERE NOT EXISTS (SELECT 1 FROM stored s WHERE s.id = p.id) "
            "AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.id = p.id) ORDER BY id"
        )
        return (row[0] for row in rows)

    def duplicated(self) -> Iterator[Duplicate]:
        """Produced records that are stored more than once, or stored and dead-lettered, with all places."""
        rows = self._rows(
            "SELECT id, JSON_GROUP_ARRAY(place) FROM "
            "(SELECT id, place FROM stored UNION ALL SELECT DISTINCT id, 'the dead-letter queue' FROM dead "
            "WHERE id IN (SELECT id FROM stored)) GROUP BY id HAVING COUNT(*) > 1 ORDER BY id"
        )
        return (Duplicate(record_id, tuple(sorted(json.loads(places)))) for record_id, places in rows)

    def windows(self) -> set[str]:
        """The keys of the markers of all alert windows of stored records."""
        return {
            row[0]
            for row in self._rows(
                "SELECT DISTINCT value FROM produced, JSON_EACH(windows) "
                "WHERE windows <> '[]' AND produced.id IN (SELECT id FROM stored)"
            )
        }

    def _difference(self, record_id: str, content: Content) -> str | None:
        """How a record differs from what was produced; `_SAME` if it doesn't, None if it was not read."""
        if not isinstance(content, Stored):
            return content
        with self._lock:
            row = self._db.execute("SELECT body FROM produced WHERE id = ?", (record_id,)).fetchone()
        return "; ".join(differences(self._produced(row[0]), content.record)) if row else None

    def _produced(self, body: str) -> Record:
        record: Record = self._contract.parse(body, message_id="", sent_timestamp_ms=0)
        return record

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


def differences(produced: Record, stored: Record) -> list[str]:
    """How a record differs from what was produced, in words.

    The compacted table keeps the event time only in UTC, so a timestamp of the same point in time is no difference.
    """
    sent, there = values_of(produced), values_of(stored)
    return [
        f"{name} is {ascii(there.get(name))[:80]}, {ascii(sent.get(name))[:80]} was produced"
        for name in {**sent, **there}
        if there.get(name) != sent.get(name) and (name != "timestamp" or there[name] != iso_utc(produced.event_time))
    ]
