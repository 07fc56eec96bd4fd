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
from analytics.attach import Attacher
from analytics.limits import SPILL_GIB, Limits, run_within
from analytics.result import Column, HistoryError, Progress, Result
from analytics.scratch import scratch_folder
from analytics.tables import compacted_table, tables
from bootstrap.table_definitions import TableDefinition
from profiles.environment import Environment
from profiles.folders import cache_folder

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
    translation = dialect.translate(sql, environment)
    within, known = limit or Limits.chosen(), tables(environment)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connect(within) as connection:
                connection.execute(f"CREATE SCHEMA {environment.names.database}")
                attacher = Attacher(environment, connection, within, progress)
                counts = [attacher.attach(known[name], translation) for name in translation.tables]
                lock(connection, environment, attacher.files)
                columns, rows = run_within(
                    within, connection, lambda: _execute(connection, translation, environment, within)
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
        notes=tuple(
            _why_empty(known[name], environment)
            for name, (objects, _) in zip(translation.tables, counts, strict=True)
            if objects == 0
        ),
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


def lock(connection: duckdb.DuckDBPyConnection, environment: Environment, files: list[Path]) -> None:
    """Prevent a query from opening other files than these, and from changing settings."""
    quoted = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    connection.execute(f"SET schema = '{environment.names.database}'")
    connection.execute(f"SET allowed_paths = [{quoted}]; SET enable_external_access = false")
    connection.execute("SET errors_as_json = true; SET lock_configuration = true")


def _execute(
    connection: duckdb.DuckDBPyConnection, translation: dialect.Translation, environment: Environment, limit: Limits
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


def _explained(error: duckdb.Error, translation: dialect.Translation, environment: Environment, prefix: int) -> str:
    kind, _, rest = str(error).partition(": ")
    try:
        details = json.loads(rest)
    except ValueError:
        return _one_line(error)
    message = f"{kind}: {' '.join(details['exception_message'].split())}"
    if details.get("error_subtype") == "COLUMN_NOT_FOUND":
        message = _missing_column(details.get("name", ""), translation.tables, environment) or message
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


def _missing_column(column: str, names: tuple[str, ...], environment: Environment) -> str | None:
    """The message for a column that no table has; None if a table has it, and it is only out of scope."""
    known = tables(environment)
    columns = {table: [name for name, _ in known[table].all_columns] for table in names}
    if not columns or any(column.lower() in known for known in columns.values()):
        return None
    has = "; ".join(f"table {table} has {', '.join(known)}" for table, known in columns.items())
    return f"there is no column {column!r}: {has}"


def _why_empty(table: TableDefinition, environment: Environment) -> str:
    """Why a table may be empty."""
    place = f"s3://{table.bucket}/{table.prefix}"
    if table.is_parquet:
        return f"Table {table.name} is empty: nothing is compacted under {place}. Run: stockpipe compact"
    reasons = [
        f"no {environment.contract.noun} was sent yet (stockpipe produce)",
        "none has arrived (stockpipe doctor)",
    ]
    if compacted := compacted_table(environment):
        reasons.append(f"all were compacted into table {compacted.name} and deleted (--table {compacted.name})")
    return f"Table {table.name} is empty: there is no matching object under {place}. Either {', or '.join(reasons)}"
