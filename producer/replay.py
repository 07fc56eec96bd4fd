"""Ticks from a file: CSV or gzipped CSV with the columns `timestamp,symbol,price,volume`, read as a stream.

A tick id is made of the row's line number and its content. So a replay of the same file makes the same ids, and a file
whose bad line was mended keeps the ids of all lines before it: `--resume` sends exactly the rest.
"""

import csv
import gzip
import hashlib
import io
import json
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO, NoReturn, cast

from pipeline.tick import InvalidTickError, Tick, parse

from profiles.errors import CannotRunError

COLUMNS = ("timestamp", "symbol", "price", "volume")
SHIPPED = {"daily-closes": "daily-closes-2000-2013.csv.gz"}

_EXPECTED = {
    "timestamp": "ISO 8601 with an offset, such as 2026-01-05T14:30:00.250Z",
    "symbol": "1 to 10 of A-Z, 0-9, '.' and '-', the first a letter, such as TSLA",
    "price": "a number above 0, in dollars, such as 130.31",
    "volume": "a whole number of shares from 0 to 2147483647, such as 9616100",
}
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK = 1 << 20
MAX_LINE = 1 << 20  # characters; what is longer is read no further


class ReplayError(CannotRunError):
    """A file that can't be replayed, or not further. Its text names the line and the column, and what was expected."""


@dataclass(frozen=True)
class Replay:
    """A file to replay."""

    path: Path

    @property
    def run(self) -> str:
        """A short name for replays of this file. It depends on where the file is, not on what is in it."""
        stem = re.sub(r"[^A-Za-z0-9]+", "-", self.path.name.split(".")[0]).strip("-")[:24]
        return f"replay-{stem}-{hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:8]}"

    def estimate(self) -> int | None:
        """About how many ticks there are, for a progress bar: lines but the first. None for a damaged file."""
        try:
            with _open_bytes(self.path) as stream:
                lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(_BLOCK), b""))
        except (OSError, EOFError, zlib.error):
            return None  # reading it will say what is wrong, and where
        return max(0, lines - 1)

    def ticks(self) -> Iterator[Tick]:
        """The ticks in the order of the file. Raises `ReplayError` at the first line that holds none."""
        with _open(self.path) as stream:
            yield from _Reader(self.path.name, stream).ticks()


def find(path_or_name: str) -> Replay:
    """The replay of a path, or of a data set that is shipped with the project, by its name (`daily-closes`)."""
    if path_or_name in SHIPPED:
        return Replay(Path(str(files("producer") / "data" / SHIPPED[path_or_name])))
    path = Path(path_or_name)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ReplayError(
            f"there is no file {path_or_name} to replay; shipped data sets: {', '.join(SHIPPED)}"
        ) from None
    except OSError as error:
        raise ReplayError(f"{path_or_name} can't be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise ReplayError(f"{path_or_name} can't be replayed: it is not a regular file")
    return Replay(path)


def _open_bytes(path: Path) -> IO[bytes]:
    """The file, unzipped. What it begins with decides whether it is gzipped, not what it is called."""
    with path.open("rb") as peek:
        zipped = peek.read(2) == _GZIP_MAGIC
    return cast(IO[bytes], gzip.open(path)) if zipped else path.open("rb")


@contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    try:
        with io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline="") as stream:
            yield stream
    except OSError as error:
        raise ReplayError(f"{path} can't be read: {error.strerror or error}") from error


class _Reader:
    """Reads one file; knows where it is, for the error's sake."""

    def __init__(self, name: str, stream: IO[str]) -> None:
        self._name = name
        self._rows = csv.reader(self._lines(stream), strict=True)
        self._line = 0  # of the row at hand: where it begins

    def _lines(self, stream: IO[str]) -> Iterator[str]:
        for line in iter(lambda: stream.readline(MAX_LINE), ""):
            if len(line) == MAX_LINE:
                self._fail(f"it is longer than {MAX_LINE} characters")
            yield line

    def ticks(self) -> Iterator[Tick]:
        header = self._next_row()
        if header is None:
            self._fail(f"the file is empty; expected a header with the columns {','.join(COLUMNS)}", line=1)
        places = self._places(header)
        while (row := self._next_row()) is not None:
            if row:  # the csv module reads an empty line as a row without fields
                yield self._tick(row, len(header), places)

    def _next_row(self) -> list[str] | None:
        self._line = self._rows.line_num + 1
        try:
            return next(self._rows, None)
        except csv.Error as error:
            self._fail(f"not CSV: {error}")
        except UnicodeDecodeError as error:
            self._fail(f"not UTF-8: {error.reason} (this line or shortly after it)")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._fail(f"the gzip data is damaged or cut off: {error}")

    def _places(self, header: list[str]) -> dict[str, int]:
        names = [name.strip().lower() for name in header]
        for column in COLUMNS:
            if names.count(column) != 1:
                what = "there is no column" if column not in names else "there is more than one column"
                self._fail(f"{what} {column}; expected a header with the columns {','.join(COLUMNS)}")
        return {column: names.index(column) for column in COLUMNS}

    def _tick(self, row: list[str], width: int, places: dict[str, int]) -> Tick:
        if len(row) != width:
            column = next((c for c in COLUMNS if places[c] >= len(row)), None)
            missing = f"column {places[column] + 1} ({column}) is missing: " if column else ""
            self._fail(f"{missing}{len(row)} fields, expected {width} as in the header")
        values = {column: row[place].strip() for column, place in places.items()}
        if not _NUMBER.fullmatch(values["price"]):
            self._fail_at("price", values, places)
        if not _WHOLE.fullmatch(values["volume"]):
            self._fail_at("volume", values, places)
        content = "\x1f".join(values.values())
        body = {
            "tick_id": f"r{self._line:07d}-{hashlib.sha256(content.encode()).hexdigest()[:16]}",
            "symbol": values["symbol"],
            "price": float(values["price"]),
            "volume": int(values["volume"]),
            "timestamp": values["timestamp"],
        }
        try:
            return parse(json.dumps(body), message_id="", sent_timestamp_ms=0)
        except InvalidTickError as error:
            reason = str(error)
            # Every reason of the contract begins with the field's name, except for a price too great for a float.
            column = next((column for column in COLUMNS if reason.startswith(column)), "price")
            self._fail_at(column, values, places, reason)

    def _fail_at(self, column: str, values: dict[str, str], places: dict[str, int], reason: str = "") -> NoReturn:
        shown = values[column] if len(values[column]) <= 40 else values[column][:39] + "…"
        self._fail(
            f"column {places[column] + 1} ({column}) is {shown!r}{f' ({reason})' if reason else ''}; "
            f"expected {_EXPECTED[column]}"
        )

    def _fail(self, what: str, line: int | None = None) -> NoReturn:
        raise ReplayError(f"{self._name}, line {line or self._line}: {what}")
