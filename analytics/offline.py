"""The offline engine: Athena's SQL on DuckDB, over the same S3 objects.

A query runs in these steps: translate the SQL, list the objects of the tables it reads (leaving out folders that its
conditions rule out), fetch what the cache hasn't got, make a view of each table, take DuckDB's access to files and
settings away, run. DuckDB itself never talks to S3 or to the network.
"""
# ruff: noqa: S608  (the SQL is the user's own query, and this connection can only read)

import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from analytics import dialect
from analytics.attach import Attacher, Progress
from analytics.result import Column, HistoryError, Result
from analytics.statements import table_of
from profiles.folders import cache_folder
from profiles.names import Names
from profiles.session import Aws

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ATHENA_TYPES = {"FLOAT": "real", "HUGEINT": "bigint", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone"}
_DESCRIBE = "DESCRIBE "
_ATTEMPTS = 3  # another process may merge the cache's files while this one reads them


def run(aws: Aws, names: Names, sql: str, *, progress: Progress = lambda _: None) -> Result:
    """Run one query. Raises `HistoryError` with DuckDB's message and the position in `sql`."""
    started = time.perf_counter()
    translation = dialect.translate(sql, names)
    for _ in range(_ATTEMPTS - 1):
        with suppress(duckdb.IOException):
            return _run_once(aws, names, translation, progress, started)
    return _run_once(aws, names, translation, progress, started)


def _run_once(aws: Aws, names: Names, translation: dialect.Translation, progress: Progress, started: float) -> Result:
    with connect() as connection:
        connection.execute(f"CREATE SCHEMA {names.database}")
        attacher = Attacher(aws, names, connection, progress)
        counts = [attacher.attach(table_of(names, name), translation) for name in translation.tables]
        _lock(connection, names)
        columns, rows = _execute(connection, translation, names)
    return Result(
        columns=columns,
        rows=rows,
        engine="duckdb",
        scanned_bytes=sum(size for _, size in counts),
        seconds=time.perf_counter() - started,
        notes=_why_empty(translation.tables, counts, names),
    )


def connect() -> duckdb.DuckDBPyConnection:
    """A connection that behaves as Trino where the two differ, and that never loads anything from the network."""
    spill = cache_folder() / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": str(spill),
            "memory_limit": "1GB",
        }
    )
    connection.execute("SET TimeZone = 'UTC'; SET integer_division = true; SET default_null_order = 'nulls_last'")
    connection.execute("SET enable_progress_bar = false")
    return connection


def _lock(connection: duckdb.DuckDBPyConnection, names: Names) -> None:
    """What a query's author may not do: read or write other files, or change these settings."""
    connection.execute(f"SET schema = '{names.database}'")
    folder = str(cache_folder()).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{folder}']; SET enable_external_access = false")
    connection.execute("SET errors_as_json = true; SET lock_configuration = true")


def _execute(
    connection: duckdb.DuckDBPyConnection, translation: dialect.Translation, environment: Names
) -> tuple[tuple[Column, ...], tuple[tuple[Any, ...], ...]]:
    sql = translation.duckdb_sql
    try:
        described = connection.execute(f"{_DESCRIBE}{sql}").fetchall()
    except duckdb.Error as error:
        raise HistoryError(_explained(error, translation, environment, len(_DESCRIBE))) from error
    names, kinds = [row[0] for row in described], [row[1] for row in described]
    with_zone = [kind == "TIMESTAMP WITH TIME ZONE" for kind in kinds]
    # by position, because names may repeat; as microseconds, because DuckDB would want pytz for a time with its zone
    fields = ", ".join(f"epoch_us(#{i}) AS c{i}" if zoned else f"#{i}" for i, zoned in enumerate(with_zone, start=1))
    try:
        fetched = connection.execute(f"SELECT {fields} FROM ({sql})" if any(with_zone) else sql).fetchall()
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        raise HistoryError(_explained(error, translation, environment, 0)) from error
    columns = tuple(
        Column(name, _ATHENA_TYPES.get(kind, kind.lower())) for name, kind in zip(names, kinds, strict=True)
    )
    return columns, tuple(tuple(map(_value, row, with_zone)) for row in fetched)


def _value(value: Any, zoned: bool) -> Any:
    return _EPOCH + timedelta(microseconds=value) if zoned and value is not None else value


def _explained(error: duckdb.Error, translation: dialect.Translation, names: Names, prefix: int) -> str:
    kind, _, rest = str(error).partition(": ")
    try:
        details = json.loads(rest)
    except ValueError:
        return str(error)
    message = f"{kind}: {' '.join(details['exception_message'].split())}"
    if details.get("error_subtype") == "COLUMN_NOT_FOUND":
        message = _missing_column(details.get("name", ""), translation.tables, names) or message
    where = dialect.locate(translation, int(details["position"]) - prefix) if "position" in details else None
    return f"{where}: {message}" if where else message


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
