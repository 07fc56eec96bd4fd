"""A result for a person or for a program: table, CSV, JSON, Parquet."""

import csv
import io
import json
import math
from datetime import date, datetime
from typing import Any

import duckdb
from rich.table import Table
from rich.text import Text

from analytics.offline import connect
from analytics.result import Column, HistoryError, Result
from analytics.scratch import scratch_folder
from analytics.store import read_csv, write_csv
from terminal.untrusted import printable

ROWS_IN_TABLE = 100
CHARACTERS_IN_CELL = 1000
_TOO_LARGE = 1e15  # to be written without an exponent

WHOLE = {"tinyint", "smallint", "integer", "bigint"}
FRACTIONS = {"double", "float", "real", "decimal"}


def as_table(result: Result) -> Table:
    """A Rich table of the first `ROWS_IN_TABLE` rows; numbers to the right, NULL as a dim dash."""
    more = len(result.rows) - ROWS_IN_TABLE
    table = Table(caption=f"{more:,} more rows: --format csv shows all" if more > 0 else None)
    for column in result.columns:
        is_number = kind(column) in WHOLE | FRACTIONS
        table.add_column(Text(_cut(column.name)), justify="right" if is_number else "left", overflow="fold")
    shown = result.rows[:ROWS_IN_TABLE]
    digits = [max((_digits(row[i]) for row in shown), default=0) for i in range(len(result.columns))]
    for row in shown:
        table.add_row(
            *(
                "[dim]-[/]" if value is None else Text(_for_person(value, n))
                for value, n in zip(row, digits, strict=True)
            )
        )
    return table


def as_csv(result: Result) -> str:
    """RFC 4180 with a header line; NULL is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.name for column in result.columns)
    writer.writerows([_for_program(value) for value in row] for row in result.rows)
    return out.getvalue()


def as_json(result: Result) -> str:
    """An array with an object per row; infinity and NaN, which JSON doesn't have, as strings."""
    _refuse_equal_names(result, "JSON")
    rows = [{name: _for_program(value) for name, value in row.items()} for row in result.as_dicts()]
    return json.dumps(rows, indent=2, default=str, allow_nan=False) + "\n"


def as_parquet(result: Result) -> bytes:
    """A Parquet file with the result's columns and types."""
    _refuse_equal_names(result, "Parquet")
    columns = tuple((column.name, _parquet_type(column)) for column in result.columns)
    with scratch_folder() as folder, connect() as connection:
        rows, file = folder / "rows.csv", folder / "result.parquet"
        write_csv(rows, ((v.isoformat() if isinstance(v, date) else v for v in row) for row in result.rows))
        try:
            connection.sql(f"FROM {read_csv(rows, columns)}").write_parquet(str(file))
        except duckdb.Error as error:
            raise HistoryError(f"the rows can't be written as Parquet: {' '.join(str(error).split())[:300]}") from error
        return file.read_bytes()


def in_cell(text: str) -> str:
    """Text that is safe for a terminal and stays on its line."""
    return printable(text).replace("\n", r"\n").replace("\t", r"\t")


def kind(column: Column) -> str:
    """A column's type without its parameters."""
    return column.type.partition("(")[0]


def _parquet_type(column: Column) -> str:
    if kind(column) in WHOLE | {"double", "real", "boolean", "date", "timestamp", "timestamp with time zone"}:
        return column.type.upper().replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    return column.type if column.type.startswith("decimal(") else "VARCHAR"


def _digits(value: Any) -> int:
    """How many digits a fraction has after its point, up to 6: a column shows as many for all of its values."""
    if not isinstance(value, float) or not abs(value) < _TOO_LARGE:
        return 0
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])


def _for_person(value: Any, digits: int) -> str:
    if isinstance(value, float):
        return f"{value:,.{digits}f}" if abs(value) < _TOO_LARGE else str(value)
    return _cut(str(_for_program(value)))


def _cut(text: str) -> str:
    more = len(text) - CHARACTERS_IN_CELL
    return in_cell(text[:CHARACTERS_IN_CELL]) + (f"… ({more:,} more characters)" if more > 0 else "")


def _refuse_equal_names(result: Result, what: str) -> None:
    names = [column.name for column in result.columns]
    if len(set(names)) < len(names):
        raise HistoryError(f"two columns have the same name, and {what} needs different names: rename one with AS")


def _for_program(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list | tuple):
        return [_for_program(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _for_program(item) for key, item in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
