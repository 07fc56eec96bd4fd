"""Records from a file: CSV or gzipped CSV with the fields of the contract as columns, read as a stream.

A record's id is made of the row's line number and its content. So a replay of the same file makes the same ids, and a
file whose bad line was mended keeps the ids of all lines before it: `--resume` sends exactly the rest.
"""

import csv
import gzip
import hashlib
import io
import os
import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from profiles.errors import CannotRunError
from profiles.pipeline import Pipeline
from runtime.contract import Contract
from runtime.fields import Field, InvalidRecordError, Record

_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK = 1 << 20
MAX_LINE = 1 << 20  # characters; what is longer is read no further


class ReplayError(CannotRunError):
    """A file that can't be replayed, or not further. Its text names the line and the column, and what was expected."""


@dataclass(frozen=True)
class Replay:
    """A file to replay, and the contract that its rows obey."""

    path: Path
    contract: Contract[Any]

    @property
    def run(self) -> str:
        """A short name for replays of this file. It depends on where the file is, not on what is in it."""
        stem = re.sub(r"[^A-Za-z0-9]+", "-", self.path.name.split(".")[0]).strip("-")[:24]
        return f"replay-{stem}-{hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:8]}"

    def estimate(self) -> int | None:
        """About how many records there are, for a progress bar: lines but the first. None for a damaged file."""
        try:
            with _open_bytes(self.path) as stream:
                lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(_BLOCK), b""))
        except (OSError, EOFError, zlib.error):
            return None  # reading it will say what is wrong, and where
        return max(0, lines - 1)

    def records(self) -> Iterator[Record]:
        """The records in the order of the file. Raises `ReplayError` at the first line without a valid one."""
        with _open(self.path) as stream:
            yield from _Reader(self.path.name, stream, self.contract).records()


def columns(contract: Contract[Any]) -> tuple[Field, ...]:
    """The columns of a file: the contract's fields without the id and the run, the timestamp first."""
    return (*(one for one in contract.fields if one.name == "timestamp"), *contract.own_fields)


def find(path_or_name: str, pipeline: Pipeline) -> Replay:
    """The replay of a path, or of a data set that the pipeline ships, by its name."""
    datasets: Mapping[str, str] = pipeline.module("source").DATASETS
    if path_or_name in datasets:
        return Replay(pipeline.folder / "data" / datasets[path_or_name], pipeline.contract)
    path = Path(path_or_name)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        shipped = ", ".join(datasets) or "none"
        raise ReplayError(f"there is no file {path_or_name} to replay; shipped data sets: {shipped}") from None
    except OSError as error:
        raise ReplayError(f"{path_or_name} can't be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise ReplayError(f"{path_or_name} can't be replayed: it is not a regular file")
    return Replay(path, pipeline.contract)


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
    """Reads one file, and knows the current line for its errors."""

    def __init__(self, name: str, stream: IO[str], contract: Contract[Record]) -> None:
        self._name = name
        self._contract = contract
        self._columns = columns(contract)
        self._expected_header = (
            f"expected a header with the columns {','.join(one.name for one in self._columns if one.required)}"
        )
        self._rows = csv.reader(self._lines(stream), strict=True)
        self._line = 0  # where the current row begins

    def _lines(self, stream: IO[str]) -> Iterator[str]:
        for line in iter(lambda: stream.readline(MAX_LINE), ""):
            if len(line) == MAX_LINE:
                self._fail(f"it is longer than {MAX_LINE} characters")
            yield line

    def records(self) -> Iterator[Record]:
        header = self._next_row()
        if header is None:
            self._fail(f"the file is empty; {self._expected_header}", line=1)
        places = self._places(header)
        while (row := self._next_row()) is not None:
            if row:  # the csv module reads an empty line as a row without fields
                yield self._record(row, len(header), places)

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
        places = {}
        for column in self._columns:
            found = names.count(column.name.lower())
            if found > 1 or (column.required and not found):
                what = "there is more than one column" if found else "there is no column"
                self._fail(f"{what} {column.name}; {self._expected_header}")
            if found:
                places[column.name] = names.index(column.name.lower())
        return places

    def _record(self, row: list[str], width: int, places: dict[str, int]) -> Record:
        if len(row) != width:
            column = next((name for name, place in places.items() if place >= len(row)), None)
            missing = f"column {places[column] + 1} ({column}) is missing: " if column else ""
            self._fail(f"{missing}{len(row)} fields, expected {width} as in the header")
        cells = {name: row[place].strip() for name, place in places.items()}
        content = "\x1f".join(cells.values())
        record_id = f"r{self._line:07d}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        given = [one for one in self._columns if one.required or cells.get(one.name)]
        try:
            values = {one.name: one.from_text(cells[one.name]) for one in given}
            return self._contract.make({self._contract.record.ID: record_id, **values})
        except InvalidRecordError as error:
            bad = next((one for one in given if one.name == error.field), None)
            if bad is None:  # the contract refuses the ids that are made here
                self._fail(str(error))
            cell = cells[bad.name] if len(cells[bad.name]) <= 40 else cells[bad.name][:39] + "…"
            reason = f" ({error})" if str(error) else ""
            self._fail(f"column {places[bad.name] + 1} ({bad.name}) is {cell!r}{reason}; expected {bad.expected}")

    def _fail(self, what: str, line: int | None = None) -> NoReturn:
        raise ReplayError(f"{self._name}, line {line or self._line}: {what}")
