"""Objects as local columns: a cache of what they hold, keyed by key and ETag.

S3 is never asked twice for the same content. Per location and set of columns there is a folder of *segments*: Parquet
files, each written under another name and renamed when complete, never changed after. So any number of processes may
read and write at once, and one that dies leaves nothing half done. An object has a row with `line` 0 that says it is in
the segment, and one row with `line` ≥ 1 for each row of its own. Memory is bounded: rows pass through files.
"""
# ruff: noqa: S608  (every identifier in the SQL here is ours: columns of our DDL, paths that are quoted)

import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

Columns = tuple[tuple[str, str], ...]

MERGE_ABOVE = 32  # segments
_FORMAT = 1  # part of every folder's name: a change of layout or of the SerDe makes new folders


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing gives it; `size` in bytes."""

    key: str
    etag: str
    size: int


class Store:
    """The cached objects of one location. `columns` are (name, DuckDB type) of a row; use one connection per query."""

    def __init__(self, root: Path, location: str, columns: Columns, connection: duckdb.DuckDBPyConnection) -> None:
        self.columns = columns
        identity = hashlib.sha256(f"{_FORMAT}|{location}|{columns}".encode()).hexdigest()[:24]
        self.folder = root / "history" / identity
        self.folder.mkdir(parents=True, exist_ok=True)
        self._connection = connection
        self._listing = f"listing_{identity}"
        self._chosen = f"chosen_{identity}"

    def load_listing(self, objects: Iterable[ListedObject]) -> None:
        """Take note of the objects that a query is about."""
        with self.scratch() as folder:
            file = folder / "listing.csv"
            write_csv(file, ((one.key, one.etag, one.size) for one in objects))
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {self._listing} AS SELECT * FROM "
                + read_csv(file, (("key", "TEXT"), ("etag", "TEXT"), ("size", "BIGINT")))
            )

    def missing(self, limit: int) -> list[ListedObject]:
        """Up to `limit` listed objects that no segment has."""
        cached = ""
        if self._files():
            cached = f"ANTI JOIN (SELECT key, etag FROM {self._segments()} WHERE line = 0) USING (key, etag)"
        rows = self._connection.execute(
            f"SELECT key, etag, size FROM {self._listing} {cached} ORDER BY key LIMIT {limit:d}"
        ).fetchall()
        return [ListedObject(*row) for row in rows]

    def listed_bytes(self) -> tuple[int, int]:
        """(objects, bytes) of the listing."""
        row = self._connection.execute(f"SELECT count(*), coalesce(sum(size), 0) FROM {self._listing}").fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def replace_listed(self, one: ListedObject, etag: str | None) -> None:
        """An object turned out to have another ETag than the listing said, or (None) to be gone."""
        if etag is None:
            self._connection.execute(f"DELETE FROM {self._listing} WHERE key = ?", [one.key])
        else:
            self._connection.execute(f"UPDATE {self._listing} SET etag = ? WHERE key = ?", [etag, one.key])

    def add_rows(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """A segment of rows (key, etag, line, columns …)."""
        with self.scratch() as folder:
            file = folder / "rows.csv"
            write_csv(file, rows)
            self._add_segment(f"SELECT * FROM {read_csv(file, self._all_columns())}")

    def add_parquet(self, files: dict[Path, ListedObject], constants: Callable[[str], dict[str, str]]) -> None:
        """A segment of downloaded Parquet files. `constants` gives the columns that are in an object's key."""
        with self.scratch() as folder:
            file = folder / "files.csv"
            partitions = [name for name, _ in self.columns if name in constants(next(iter(files.values())).key)]
            write_csv(
                file,
                ((str(path), one.key, one.etag, *constants(one.key).values()) for path, one in files.items()),
            )
            known = (("filename", "TEXT"), ("key", "TEXT"), ("etag", "TEXT"), *((name, "TEXT") for name in partitions))
            chosen = ", ".join(f'{"f" if name in partitions else "p"}."{name}"' for name, _ in self.columns)
            nulls = ", ".join(f"NULL::{kind}" for _, kind in self.columns)
            self._add_segment(
                f"WITH f AS (SELECT * FROM {read_csv(file, known)}) "
                f"SELECT f.key, f.etag, 1 AS line, {chosen} "
                f"FROM read_parquet({_list(files)}, filename = true, union_by_name = true) p JOIN f USING (filename) "
                f"UNION ALL SELECT key, etag, 0, {nulls} FROM f"
            )

    def make_view(self, view: str, columns: Columns, hidden: dict[str, str]) -> None:
        """A view of the listed objects' rows; `hidden` columns by name are expressions over `s.key` and `s.etag`."""
        selected = [f's."{name}"' for name, _ in columns]
        selected += [f'{expression} AS "{name}"' for name, expression in hidden.items()]
        if not self._files():
            nulls = [f'NULL::{kind} AS "{name}"' for name, kind in columns]
            nulls += [f'NULL::TEXT AS "{name}"' for name in hidden]
            self._connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(nulls)} WHERE false")
            return
        segments = self._segments()  # two processes may have cached the same object: take it from one segment
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._chosen} AS SELECT key, etag, min(filename) AS filename "
            f"FROM {segments} SEMI JOIN {self._listing} USING (key, etag) WHERE line = 0 GROUP BY ALL"
        )
        self._connection.execute(
            f"CREATE VIEW {view} AS SELECT {', '.join(selected)} FROM {segments} s "
            f"JOIN {self._chosen} USING (key, etag, filename) WHERE s.line > 0"
        )

    def merge(self) -> None:
        """Many small segments become one, of the listed objects only. For a listing that covers the whole location."""
        files = self._files()
        if len(files) <= MERGE_ABOVE:
            return
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._chosen} AS SELECT key, etag, min(filename) AS filename "
            f"FROM {self._segments()} SEMI JOIN {self._listing} USING (key, etag) WHERE line = 0 GROUP BY ALL"
        )
        self._add_segment(
            f"SELECT s.* EXCLUDE (filename) FROM {self._segments()} s JOIN {self._chosen} USING (key, etag, filename)"
        )
        for file in files:
            file.unlink(missing_ok=True)

    def _add_segment(self, select: str) -> None:
        name = uuid.uuid4().hex
        unfinished = self.folder / f"{name}.unfinished"
        self._connection.execute(f"COPY ({select}) TO {_quoted(str(unfinished))} (FORMAT parquet, COMPRESSION zstd)")
        unfinished.rename(self.folder / f"{name}.parquet")

    def _all_columns(self) -> Columns:
        return (("key", "TEXT"), ("etag", "TEXT"), ("line", "BIGINT"), *self.columns)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def _segments(self) -> str:
        return f"read_parquet({_list(self._files())}, filename = true)"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for the time of a `with`."""
        folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _list(paths: Iterable[Path]) -> str:
    return f"[{', '.join(_quoted(str(path)) for path in paths)}]"


def write_csv(file: Path, rows: Iterable[Iterable[Any]]) -> None:
    """CSV in which NULL and the empty string differ: strings are quoted, NULL is a bare \\N."""
    with file.open("w", encoding="utf-8", errors="replace", newline="") as out:
        for row in rows:
            out.write(",".join(map(_csv_value, row)) + "\n")


def _csv_value(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return '"' + value.replace('"', '""').replace("\0", "\ufffd") + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def read_csv(file: Path, columns: Columns) -> str:
    """DuckDB's table function for a file of `write_csv`; `columns` are (name, DuckDB type)."""
    types = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns)
    return (
        f"read_csv({_quoted(str(file))}, columns = {{{types}}}, auto_detect = false, header = false, delim = ',', "
        "quote = '\"', escape = '\"', nullstr = '\\N', allow_quoted_nulls = false, max_line_size = 67108864)"
    )
