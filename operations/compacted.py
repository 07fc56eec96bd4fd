"""Records in the compacted table. After `compact --delete-compacted` they are only there.

They are read with the offline engine, on every endpoint: it fetches only the files of the days and groups in question,
and those only once.
"""
# ruff: noqa: S608  (Athena's SQL has no parameters here; every value is quoted)

import json
from collections.abc import Callable, Iterable
from typing import Any

import duckdb

from analytics import run_query
from analytics.result import HistoryError
from analytics.tables import compacted_table
from operations.records import Found, read_line
from profiles.environment import Environment
from profiles.errors import CannotRunError
from runtime.clock import from_epoch_ms
from runtime.contract import Contract
from runtime.fields import Record


def is_anything_compacted(environment: Environment) -> bool:
    """Whether the compacted table has any file. One listing."""
    table = compacted_table(environment)
    if table is None:
        return False
    listed = environment.aws.s3.list_objects_v2(Bucket=table.bucket, Prefix=table.prefix, MaxKeys=1)
    return listed.get("KeyCount", 0) > 0


def find_compacted(environment: Environment, records: Iterable[Record], found: Callable[[list[Found]], None]) -> None:
    """Hand what is compacted to `found`, group by group: these records, and others of their days.

    Costs one listing if nothing is compacted. Raises `CannotRunError` if the table can't be read.
    """
    if not is_anything_compacted(environment):
        return
    contract = environment.contract
    for group, (first, last) in sorted(_spans(records).items()):
        where = [*_in_group(contract, group), f"day BETWEEN '{_day(first)}' AND '{_day(last)}'"]
        found(_query(environment, where))


def find_one(
    environment: Environment, record_id: str, *, record: Record | None = None, group: str | None = None
) -> Found | None:
    """A record by its id. Where the record is known, only its day's file is read, else those of the group, else all.

    The table has the event time in UTC only, and not which request stored the record.
    """
    if not is_anything_compacted(environment):
        return None
    contract = environment.contract
    where = [f"{contract.record.ID} = {_quoted(record_id)}"]
    if record:
        where.append(f"day = '{_day(record.epoch_ms)}'")
    if known := record.group if record else group:
        where += _in_group(contract, known)
    return next(iter(_query(environment, where)), None)


def _query(environment: Environment, where: Iterable[str]) -> list[Found]:
    """The records for which all conditions hold; `timestamp` is the `event_time`."""
    table, contract = compacted_table(environment), environment.contract
    name = table.name if table else ""
    columns = [column for column, _ in contract.columns() if column != "timestamp"]
    sql = f'SELECT "$path", {", ".join(columns)} FROM {name} WHERE {" AND ".join(where)}'
    try:
        rows = run_query(environment, sql, "duckdb").rows
    except (HistoryError, duckdb.Error) as error:
        raise CannotRunError(
            f"table {name} can't be read, so it is not known which {contract.plural} are in it: {error}. See: "
            f"stockpipe query --sql 'SELECT COUNT(*) FROM {name}' --engine duckdb"
        ) from error
    found = []
    for path, *cells in rows:
        values = dict(zip(columns, cells, strict=True))
        line = json.dumps({**values, "timestamp": values["event_time"]}).encode()
        key = path.removeprefix(f"s3://{environment.names.bucket}/")
        found.append(Found(str(values[contract.record.ID]), key, read_line(contract, line)))
    return found


def _spans(records: Iterable[Record]) -> dict[str, tuple[int, int]]:
    """Group → the first and last event time, in milliseconds."""
    spans: dict[str, tuple[int, int]] = {}
    for record in records:
        at = record.epoch_ms
        first, last = spans.get(record.group, (at, at))
        spans[record.group] = min(first, at), max(last, at)
    return spans


def _in_group(contract: Contract[Any], group: str) -> list[str]:
    return [f"{name} = {_quoted(part)}" for name, part in zip(contract.record.GROUP, group.split("/"), strict=False)]


def _day(epoch_ms: int) -> str:
    return from_epoch_ms(epoch_ms).date().isoformat()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
