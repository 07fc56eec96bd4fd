"""Ticks that compaction has moved: to table `ticks`, Parquet under `curated/`, after `--delete-compacted` only there.

They are read with the offline engine, on every endpoint: it fetches only the files of the days and symbols in question,
and those only once.
"""
# ruff: noqa: S608  (Athena's SQL has no parameters here; every value is quoted)

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
from pipeline.tick import Tick

from analytics import run_query
from analytics.result import HistoryError
from analytics.statements import table_of
from operations.stored import Found
from operations.tick_search import StoredTick
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.names import Names

_COLUMNS = ("tick_id", "symbol", "price", "volume", "event_time", "processed_at", "latency_ms", "alert")


def is_anything_compacted(
    environment: Environment,
) -> bool:
    """Whether table `ticks` has any file. One listing."""
    table = table_of(environment.names, "ticks")
    return (
        environment.aws.s3.list_objects_v2(Bucket=table.bucket, Prefix=table.prefix, MaxKeys=1).get("KeyCount", 0) > 0
    )


def find_compacted(environment: Environment, ticks: Iterable[Tick], found: Callable[[list[Found]], None]) -> None:
    """Hand what is compacted to `found`, symbol by symbol: these ticks, and others of their days.

    Costs one listing if nothing is compacted. Raises `CannotRunError` if the table can't be read.
    """
    if not is_anything_compacted(environment):
        return
    for symbol, (first, last) in sorted(_spans(ticks).items()):
        where = f"symbol = {_quoted(symbol)} AND day BETWEEN '{_day(first)}' AND '{_day(last)}'"
        sql = f'SELECT tick_id, symbol, price, volume, event_time, "$path" FROM ticks WHERE {where}'
        found([Found(row[0], _key(environment.names, path), Tick(*row)) for *row, path in _query(environment, sql)])


def find_one(
    environment: Environment, tick_id: str, *, tick: Tick | None = None, symbol: str | None = None
) -> StoredTick | None:
    """A tick by its id. Where the tick is known, only its day's file is read, else those of the symbol, else all.

    The table keeps neither the time as it was sent, only the same moment in UTC, nor which request stored the record.
    """
    if not is_anything_compacted(environment):
        return None
    conditions = [f"tick_id = {_quoted(tick_id)}"]
    if tick:
        conditions.append(f"day = '{_day(tick.epoch_ms)}'")
    if known := tick.symbol if tick else symbol:
        conditions.append(f"symbol = {_quoted(known)}")
    sql = f'SELECT {", ".join(_COLUMNS)}, "$path" FROM ticks WHERE {" AND ".join(conditions)}'
    rows = _query(environment, sql)
    if not rows:
        return None
    *values, path = rows[0]
    record = dict(zip(_COLUMNS, values, strict=True))
    return StoredTick(_key(environment.names, path), {**record, "timestamp": record["event_time"]}, "")


def _query(environment: Environment, sql: str) -> Sequence[tuple[Any, ...]]:
    try:
        return run_query(environment, sql, "duckdb").rows
    except (HistoryError, duckdb.Error) as error:
        raise CannotRunError(
            f"table ticks can't be read, so it is not known which ticks are in it: {error}. See: stockpipe query "
            f"--sql 'SELECT COUNT(*) FROM ticks' --engine duckdb"
        ) from error


def _spans(ticks: Iterable[Tick]) -> dict[str, tuple[int, int]]:
    """Symbol → the first and last event time, in milliseconds."""
    spans: dict[str, tuple[int, int]] = {}
    for tick in ticks:
        at = tick.epoch_ms
        first, last = spans.get(tick.symbol, (at, at))
        spans[tick.symbol] = min(first, at), max(last, at)
    return spans


def _day(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).date().isoformat()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _key(names: Names, path: str) -> str:
    return path.removeprefix(f"s3://{names.bucket}/")
