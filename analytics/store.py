"""A cache of the content of objects, as local columns, by key and ETag.

The same content is never fetched from S3 twice. Each location and set of columns has a folder of *segments*: Parquet
files, each written under another name and renamed when complete, never changed after. So any number of processes may
read and write at once, and one that dies leaves no partial file. An object has a row with `line` 0 that says it is in
the segment, and one row with `line` ≥ 1 for each row of its own. Memory is bounded: rows pass through files.

A folder that no query has used for `UNUSED_DAYS` is removed: its bucket or its emulator may be gone.
"""
# ruff: noqa: S608  (every identifier in the SQL here is ours: columns of our DDL, paths that are quoted)

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from analytics.result import HistoryError
from analytics.scratch import scratch_folder
from profiles.folders import private, private_file

Columns = tuple[tuple[str, str], ...]

MERGE_ABOVE = 32  # segments
UNUSED_DAYS = 30
_FORMAT = 1  # part of every folder's name: a change of layout or of the SerDe makes new folders


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing gives it; `size` in bytes."""

    key: str
    etag: str
    size: int


class Store:
    """The cached objects of one location. `columns` are (name, type) of a row; use one connection per query."""

    def __init__(self, root: Path, location: str, columns: Columns, connection: duckdb.DuckDBPyConnection) -> None:
        self.columns = columns
        identity = hashlib.sha256(f"{_FORMAT}|{location}|{columns}".encode()).hexdigest()[:24]
        history = private(root / "history")
        self.folder = private(history / identity)
        os.utime(self.folder)
        _remove_unused(history)
        self._connection = connection
        self._listing = f"listing_{identity}"
        self._chosen = f"chosen_{identity}"

    def load_listing(self, objects: Iterable[ListedObject]) -> None:
        """Set the objects that the query needs."""
        with scratch_folder() as folder:
            file = folder / "listing.csv"
            write_csv(file, ((one.key, one.etag, one.size) for one in objects))
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {self._listing} AS SELECT * FROM "
                + read_csv(file, (("key", "TEXT"), ("etag", "TEXT"), ("size", "BIGINT")))
            )

    def missing(self, limit: int) -> list[ListedObject]:
        """Up to `limit` listed objects that no segment has."""
        cached = ""
        if files := self.files():
            cached = f"ANTI JOIN (SELECT key, etag FROM {_parquet(files)} WHERE line = 0) USING (key, etag)"
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
        with scratch_folder() as folder:
            file = folder / "rows.csv"
            write_csv(file, rows)
            self._add_segment(f"SELECT * FROM {read_csv(file, self._all_columns())}")

    def add_parquet(
        self,
        files: dict[Path, ListedObject],
        partitions: tuple[str, ...],
        partition_of: Callable[[str], Mapping[str, str]],
        optional: Collection[str] = (),
    ) -> None:
        """A segment of downloaded Parquet files; `partition_of` gives the columns that are in an object's key.

        A file may lack `optional` columns: it may be older than they are. Raises `HistoryError` with the key of a file
        that isn't Parquet or doesn't have the other columns.
        """
        with scratch_folder() as folder:
            file = folder / "files.csv"
            write_csv(
                file,
                (
                    (str(path), one.key, one.etag, *(partition_of(one.key)[name] for name in partitions))
                    for path, one in files.items()
                ),
            )
            known = (("filename", "TEXT"), ("key", "TEXT"), ("etag", "TEXT"), *((name, "TEXT") for name in partitions))
            chosen = ", ".join(
                f'{"f" if name in partitions else "p"}."{name}"::{kind} AS "{name}"' for name, kind in self.columns
            )
            nulls = ", ".join(f"NULL::{kind}" for _, kind in self.columns)
            may_lack = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in self.columns if name in optional)
            lacking = f"UNION ALL BY NAME SELECT {may_lack} WHERE false" if may_lack else ""

            def select(paths: Iterable[Path]) -> str:
                return (
                    f"WITH f AS (SELECT * FROM {read_csv(file, known)}) "
                    f"SELECT f.key, f.etag, 1 AS line, {chosen} "
                    f"FROM (SELECT * FROM read_parquet({_list(paths)}, filename = true, union_by_name = true, "
                    f"hive_partitioning = false) {lacking}) p JOIN f USING (filename) "
                    f"UNION ALL SELECT key, etag, 0, {nulls} FROM f"
                )

            try:
                self._add_segment(select(files))
            except duckdb.Error:
                for path, one in files.items():
                    try:
                        self._copy(select([path]), folder / "one")
                    except duckdb.Error as error:
                        raise HistoryError(
                            f"{one.key!r} can't be read as a Parquet file of its table "
                            f"({str(error).splitlines()[0].replace(str(path), 'it')[:200]}). "
                            "Replace or delete this object, and the query can read the other files"
                        ) from error
                raise

    def make_view(self, view: str, columns: Columns, hidden: dict[str, str]) -> list[Path]:
        """A view of the listed objects' rows; `hidden` columns by name are expressions over `s.key` and `s.etag`.

        Returns the files that the view reads.
        """
        selected = [f's."{name}"' for name, _ in columns]
        selected += [f'{expression} AS "{name}"' for name, expression in hidden.items()]
        files = self.files()
        if not files:
            nulls = [f'NULL::{kind} AS "{name}"' for name, kind in columns]
            nulls += [f'NULL::TEXT AS "{name}"' for name in hidden]
            self._connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(nulls)} WHERE false")
            return []
        listed = self._listed_rows(files)
        self._connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(selected)} FROM {listed} WHERE s.line > 0")
        return files

    def merge(self) -> None:
        """Many small segments become one, of the listed objects only. For a listing that covers the whole location."""
        files = self.files()
        if len(files) <= MERGE_ABOVE:
            return
        self._add_segment(f"SELECT s.* EXCLUDE (filename) FROM {self._listed_rows(files)}")
        for file in files:
            file.unlink(missing_ok=True)

    def _listed_rows(self, files: list[Path]) -> str:
        """Source `s`: the listed objects' rows. Of an object that two processes have cached, those of one file."""
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._chosen} AS SELECT key, etag, min(filename) AS filename "
            f"FROM {_parquet(files)} SEMI JOIN {self._listing} USING (key, etag) WHERE line = 0 GROUP BY ALL"
        )
        return f"{_parquet(files)} s JOIN {self._chosen} USING (key, etag, filename)"

    def _add_segment(self, select: str) -> None:
        name = f"{uuid.uuid4().hex}.parquet"
        with scratch_folder() as folder:
            self._copy(select, folder / name)
            (folder / name).chmod(0o600)
            (folder / name).rename(self.folder / name)

    def _copy(self, select: str, file: Path) -> None:
        self._connection.execute(f"COPY ({select}) TO {_quoted(str(file))} (FORMAT parquet, COMPRESSION zstd)")

    def _all_columns(self) -> Columns:
        return (("key", "TEXT"), ("etag", "TEXT"), ("line", "BIGINT"), *self.columns)

    def files(self) -> list[Path]:
        """The segments."""
        return sorted(self.folder.glob("*.parquet"))


def _remove_unused(history: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for folder in history.iterdir():
        try:
            unused = folder.stat().st_mtime < oldest
        except FileNotFoundError:
            continue
        if unused:
            shutil.rmtree(folder, ignore_errors=True)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _parquet(files: Iterable[Path]) -> str:
    return f"read_parquet({_list(files)}, filename = true)"


def _list(paths: Iterable[Path]) -> str:
    return f"[{', '.join(_quoted(str(path)) for path in paths)}]"


def write_csv(file: Path, rows: Iterable[Iterable[Any]]) -> None:
    """CSV in which NULL and the empty string differ: strings are quoted, NULL is a bare \\N."""
    with open(file, "w", encoding="utf-8", errors="replace", newline="", opener=private_file) as out:
        for row in rows:
            out.write(",".join(map(_csv_value, row)) + "\n")


def _csv_value(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return str(value)
    return '"' + str(value).replace('"', '""').replace("\0", "\ufffd") + '"'


def read_csv(file: Path, columns: Columns) -> str:
    """DuckDB's table function for a file of `write_csv`; `columns` are (name, type)."""
    types = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns)
    return (
        f"read_csv({_quoted(str(file))}, columns = {{{types}}}, auto_detect = false, header = false, delim = ',', "
        "quote = '\"', escape = '\"', nullstr = '\\N', allow_quoted_nulls = false, max_line_size = 67108864)"
    )
