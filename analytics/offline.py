"""The offline engine: Athena's SQL on DuckDB, over the same S3 objects.

A query runs in these steps: translate the SQL, list the objects of the tables it reads (leaving out folders that its
conditions rule out), fetch what the cache doesn't have, make a view of each table, lock the connection, run within
limits. DuckDB itself never talks to S3 or to the network.

A query can read the tables that it names, and nothing else on the machine. Two layers enforce that, and each of them
alone protects files: `dialect` refuses other tables, table functions and functions about the system, and the locked
connection can only open the cached files of these tables, and only run a SELECT.
"""
# ruff: noqa: S608  (the SQL is the user's own query, and this connection can only read)

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from analytics import dialect
from analytics.attach import Attacher, Progress
from analytics.limits import SPILL_GIB, Limits, run_within
from analytics.result import Column, HistoryError, Result
from analytics.scratch import scratch_folder
from analytics.statements import table_of
from profiles.environment import Environment
from profiles.folders import cache_folder
from profiles.names import Names

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ATHENA_TYPES = {"FLOAT": "real", "HUGEINT": "bigint", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone"}
_DESCRIBE = "DESCRIBE "
_ROWS_AT_ONCE = 2048  # DuckDB's own chunks
_CTRL_C = "Query interrupted"  # what DuckDB makes of it in the main thread
_ATTEMPTS = 3  # another process may merge the cache's files while this one reads them


def run(
    environment: Environment, sql: str, *, limit: Limits | None = None, progress: Progress = lambda _: None
) -> Result:
    """Run one query. Raises `HistoryError` with DuckDB's message and the position in `sql`."""
    started = time.perf_counter()
    translation = dialect.translate(sql, environment.names)
    within = limit or Limits.chosen()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connect(within) as connection:
                connection.execute(f"CREATE SCHEMA {environment.names.database}")
                attacher = Attacher(environment, connection, within, progress)
                counts = [
                    attacher.attach(table_of(environment.names, name), translation) for name in translation.tables
                ]
                lock(connection, environment.names, attacher.files)
                columns, rows = run_within(
                    within, connection, lambda: _execute(connection, translation, environment.names, within)
                )
            break
        except duckdb.OutOfMemoryException as error:
            raise HistoryError(within.too_large) from error
        except duckdb.Error as error:
            if attempt < _ATTEMPTS and isinstance(error, duckdb.IOException):
                continue
            raise unreadable(error) from error
    return Result(
        columns=columns,
        rows=rows,
        engine="duckdb",
        scanned_bytes=sum(size for _, size in counts),
        seconds=time.perf_counter() - started,
        notes=_why_empty(translation.tables, counts, environment.names),
    )


@contextmanager
def connect(limit: Limits | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that behaves as Trino where the two differ, and that never loads anything from the network."""
    with scratch_folder() as spill:
        connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",
                "temp_directory": str(spill),
                "max_temp_directory_size": f"{SPILL_GIB}GiB",
                "memory_limit": f"{(limit or Limits.chosen()).memory_mib}MiB",
            }
        )
        connection.execute("SET TimeZone = 'UTC'; SET integer_division = true; SET default_null_order = 'nulls_last'")
        connection.execute("SET enable_progress_bar = false")
        try:
            yield connection
        except RuntimeError as error:
            if str(error) == _CTRL_C:
                raise KeyboardInterrupt from error
            raise
        finally:
            with suppress(duckdb.Error):  # a call that doesn't end still uses it: both end with the process
                connection.close()


def lock(connection: duckdb.DuckDBPyConnection, names: Names, files: list[Path]) -> None:
    """Take away what a query's author may not do: open other files than these, or change these settings."""
    quoted = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    connection.execute(f"SET schema = '{names.database}'")
    connection.execute(f"SET allowed_paths = [{quoted}]; SET enable_external_access = false")
    connection.execute("SET errors_as_json = true; SET lock_configuration = true")


def _execute(
    connection: duckdb.DuckDBPyConnection, translation: dialect.Translation, environment: Names, limit: Limits
) -> tuple[tuple[Column, ...], tuple[tuple[Any, ...], ...]]:
    sql = translation.duckdb_sql
    try:
        if [one.type for one in connection.extract_statements(sql)] != [duckdb.StatementType.SELECT]:
            raise HistoryError("the offline engine runs one SELECT at a time")
        described = connection.execute(f"{_DESCRIBE}{sql}").fetchall()
    except duckdb.Error as error:
        raise HistoryError(_explained(error, translation, environment, len(_DESCRIBE))) from error
    names, kinds = [row[0] for row in described], [row[1] for row in described]
    with_zone = [kind == "TIMESTAMP WITH TIME ZONE" for kind in kinds]
    # by position, because names may repeat; as microseconds, because DuckDB would want pytz for a time with its zone
    fields = ", ".join(f"epoch_us(#{i}) AS c{i}" if zoned else f"#{i}" for i, zoned in enumerate(with_zone, start=1))
    try:
        connection.execute(f"SELECT {fields} FROM ({sql})" if any(with_zone) else sql)
        rows = tuple(tuple(map(_value, row, with_zone)) for row in _fetch(connection, limit))
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise
    except duckdb.Error as error:
        raise HistoryError(_explained(error, translation, environment, 0)) from error
    columns = tuple(
        Column(name, _ATHENA_TYPES.get(kind, kind.lower())) for name, kind in zip(names, kinds, strict=True)
    )
    return columns, rows


def _fetch(connection: duckdb.DuckDBPyConnection, limit: Limits) -> Iterator[tuple[Any, ...]]:
    left = limit.memory_mib * 2**20
    while chunk := connection.fetchmany(_ROWS_AT_ONCE):
        left -= sum(sys.getsizeof(value) for row in chunk for value in (row, *row))
        if left < 0:
            raise HistoryError(limit.too_large)
        yield from chunk


def _value(value: Any, zoned: bool) -> Any:
    return _EPOCH + timedelta(microseconds=value) if zoned and value is not None else value


def _explained(error: duckdb.Error, translation: dialect.Translation, names: Names, prefix: int) -> str:
    kind, _, rest = str(error).partition(": ")
    try:
        details = json.loads(rest)
    except ValueError:
        return _one_line(error)
    message = f"{kind}: {' '.join(details['exception_message'].split())}"
    if details.get("error_subtype") == "COLUMN_NOT_FOUND":
        message = _missing_column(details.get("name", ""), translation.tables, names) or message
    where = dialect.locate(translation, int(details["position"]) - prefix) if "position" in details else None
    return f"{where}: {message}" if where else message


def unreadable(error: duckdb.Error) -> HistoryError:
    """The message when DuckDB can't read the tables: a file in the cache is damaged, or the disk is full."""
    return HistoryError(
        f"the cached objects can't be read ({_one_line(error)}). "
        f"To fetch them again, remove the folder {cache_folder() / 'history'}"
    )


def _one_line(error: duckdb.Error) -> str:
    return " ".join(str(error).split())


def _missing_column(column: str, tables: tuple[str, ...], names: Names) -> str | None:
    """Which table hasn't got the column; None where one has it, and it is out of scope only."""
    columns = {table: [name for name, _ in table_of(names, table).columns] for table in tables}
    if not columns or any(column.lower() in known for known in columns.values()):
        return None
    has = "; ".join(f"table {table} has {', '.join(known)}" for table, known in columns.items())
    return f"there is no column {column!r}: {has}"


def _why_empty(tables: tuple[str, ...], counts: list[tuple[int, int]], names: Names) -> tuple[str, ...]:
    return tuple(why_empty(table, names) for table, (found, _) in zip(tables, counts, strict=True) if found == 0)


def why_empty(table: str, names: Names) -> str:
    """What to tell somebody who looks into an empty table."""
    if table == "ticks":
        return f"Table ticks is empty: nothing is compacted under s3://{names.bucket}/curated/. Run: stockpipe compact"
    return (
        f"Table {table} is empty: there is no matching object under s3://{names.bucket}/processed/. Either no tick was "
        "sent yet (stockpipe produce), or none has arrived (stockpipe doctor), or all were compacted into table ticks "
        "and deleted (--table ticks)"
    )
