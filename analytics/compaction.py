"""Compaction: many small JSON objects become one Parquet file per day and group, the compacted table.

Why it can be interrupted anywhere, repeated, and run twice at once, and never loses or doubles a record:

- There is no journal. Each run looks in the data for what is to be done: records that are stored as JSON and whose id
  is not in the compacted table. A late record is found in the same way.
- A partition is one object with a fixed key, for example `curated/day=<day>/symbol=<symbol>/ticks.parquet`. It is
  replaced as a whole by one PutObject (or CopyObject), so a reader sees the old or the new one, never a part.
- The replacement is conditional on the ETag that was read (`If-Match`; `If-None-Match: *` for a new partition). The
  second writer gets 412, and reads the partition again.
- It ends when a new look finds nothing more to do.
- JSON objects are deleted (`--delete-compacted`) only if then, in a new look, every line of them is in the
  compacted table with the same value in every column; only if they are read once more and have no field, value or byte
  that the table doesn't hold; and only if their ETag is still the one that was read. The others are kept, and named
  with the reason.

The engine does the work: DuckDB here (`compact_offline`), or Athena itself with CTAS (`compact_athena`), which writes
to a staging table from which the files are copied to their keys.
"""
# ruff: noqa: S608  (the SQL is that of sql/compaction; what is put into it has passed its patterns)

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import ClientError

from analytics import objects
from analytics.attach import partition_of
from analytics.result import HistoryError, Progress
from analytics.serde import lost_by_rows
from analytics.statements import substitute
from analytics.store import ListedObject
from analytics.tables import compacted_table, details_table
from bootstrap.table_definitions import TableDefinition
from profiles.environment import Environment
from runtime.fields import InvalidRecordError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

ROUNDS = 10  # more than a few are needed only if other runs compact the same bucket all the time
DELETED_AT_ONCE = 1000  # DeleteObjects' limit
_CHANGED = "it changed after it was compacted"

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9._-]+")
_LOST_THE_RACE = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True, order=True)
class Partition:
    """A day (`2026-01-05`, UTC) and a group of the compacted table: the values of its two partition columns."""

    day: str
    group: str

    def folder(self, table: TableDefinition) -> str:
        """The folder of the partition, below that of the table."""
        day, group = table.partitions
        return f"{day}={self.day}/{group}={self.group}/"

    def key(self, table: TableDefinition) -> str:
        """The key of the partition's only object."""
        return f"{table.prefix}{self.folder(table)}{table.name}.parquet"


@dataclass(frozen=True, order=True)
class Kept:
    """A JSON object that `--delete-compacted` didn't delete, and why."""

    key: str
    reason: str


@dataclass(frozen=True)
class Compaction:
    """What a run did: records added to the compacted table, partitions written, JSON objects deleted, and those that
    were kept despite `--delete-compacted`. Objects that were stored after the last look are not counted."""

    engine: str
    added: int = 0
    partitions_written: int = 0
    objects_deleted: int = 0
    objects_kept: tuple[Kept, ...] = ()


@dataclass(frozen=True)
class Engine(ABC):
    """What compaction needs of an engine. Each method reads the objects again.

    `name` is `athena` or `duckdb`; `merge` writes `partitions_at_once`.
    """

    environment: Environment
    progress: Progress = lambda _: None
    name: ClassVar[str]
    partitions_at_once: ClassVar[int]

    @property
    def table(self) -> TableDefinition:
        """The compacted table."""
        return table_of(self.environment)

    @abstractmethod
    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run a query in Athena's SQL over the two tables."""

    @abstractmethod
    def declare(self, partitions: Sequence[Partition]) -> None:
        """Make the compacted table span these partitions, before they are read or written."""

    @abstractmethod
    def write(self, batch: list[Partition]) -> Iterator[Partition]:
        """Write the partitions as they should be; gives those that were written, not those that lost a race."""

    def new_records(self) -> dict[Partition, int]:
        """How many records each partition lacks."""
        partition = ", ".join(self.table.partitions)
        lacking = select_new_records(self.environment)
        rows = self.rows(f"SELECT {partition}, COUNT(*) AS records FROM ({lacking}) AS lacking GROUP BY {partition}")
        return {Partition(day, group): records for day, group, records in rows}

    def merge(self, partitions: Sequence[Partition]) -> Iterator[Partition]:
        """`write` all of these partitions."""
        waiting = iter(partitions)
        while batch := list(islice(waiting, self.partitions_at_once)):
            yield from self.write(batch)

    def compacted_keys(self) -> set[str]:
        """The keys of JSON objects of which every line is in the compacted table with the same values."""
        same = (f'known."{name}" IS NOT DISTINCT FROM stored."{name}"' for name in _columns(self.environment))
        rows = self.rows(_sql(self.environment, "compacted_objects", same_values=" AND ".join(same)))
        return {path.removeprefix(f"s3://{self.environment.names.bucket}/") for (path,) in rows}

    def replace(self, put: Callable[..., Any], partition: Partition, etag: str | None, **content: Any) -> bool:
        """`put` a partition's object if it still has this ETag (None: if there is none); False: it has another one."""
        condition = {"IfMatch": f'"{etag}"'} if etag else {"IfNoneMatch": "*"}
        try:
            put(Bucket=self.table.bucket, Key=partition.key(self.table), **condition, **content)
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST_THE_RACE:
                return False
            raise
        return True


def compact(engine: Engine, *, delete_compacted: bool = False) -> Compaction:
    """Bring the compacted table up to date. Raises `HistoryError`; whatever happens, running it again is safe."""
    environment, progress = engine.environment, engine.progress
    added = written = 0
    stored: list[ListedObject] = []
    for _ in range(ROUNDS):
        progress(f"Looking for {environment.contract.plural} that are not compacted yet")
        if delete_compacted:  # before the look: objects that come later are not records that it has missed
            records = details_table(environment)
            stored = list(objects.list_objects(environment.aws.s3, records.bucket, [records.prefix]))
        there = existing(environment)
        engine.declare(sorted(there))  # `up` makes a table that spans nothing, also over files of an earlier one
        lacking = engine.new_records()
        if not lacking:
            break
        engine.declare(sorted({*lacking, *there}))
        for partition in engine.merge(sorted(lacking)):
            written += 1
            added += lacking[partition]
            progress(f"{written} partitions written, {added:,} {environment.contract.plural}")
    else:
        raise HistoryError("other runs keep compacting the same bucket; nothing is lost, try again later")
    if not stored:
        return Compaction(engine.name, added, written)
    progress("Verifying what may be deleted")
    deleted, kept = _delete_compacted(engine, stored)
    return Compaction(engine.name, added, written, deleted, tuple(kept))


def existing(environment: Environment) -> dict[Partition, str]:
    """The partitions that are there, with the ETags of their objects."""
    table = table_of(environment)
    return partitions(
        environment,
        ((one.key, one.etag) for one in objects.list_objects(environment.aws.s3, table.bucket, [table.prefix])),
    )


def partitions(environment: Environment, files: Iterable[tuple[str, str]]) -> dict[Partition, str]:
    """Those (key, ETag) that are partitions: other objects there must not get into a statement or a condition."""
    table = table_of(environment)
    day, group = table.partitions
    field = next(one for one in environment.contract.fields if one.name == group)
    found = {}
    for key, etag in files:
        values = partition_of(key)
        partition = Partition(values.get(day, ""), values.get(group, ""))
        if partition.key(table) != key or not _DAY.fullmatch(partition.day) or not _GROUP.fullmatch(partition.group):
            continue
        with suppress(InvalidRecordError):
            field.check(group, field.from_text(partition.group))
            found[partition] = etag
    return found


def select_new_records(environment: Environment) -> str:
    """Records that the compacted table lacks, in Athena's SQL."""
    known = {name for name, _ in table_of(environment).all_columns}
    required = (one.name for one in environment.contract.fields if one.required and one.name in known)
    return _sql(environment, "new_records", complete=" AND ".join(f'"{name}" IS NOT NULL' for name in required))


def select_merged(environment: Environment, partitions: Iterable[Partition]) -> str:
    """The content that partitions should have, in Athena's SQL."""
    listed = ", ".join(f"'{partition.day}/{partition.group}'" for partition in partitions)
    return _sql(environment, "merged_partitions", partitions=listed, new_records=select_new_records(environment))


def table_of(environment: Environment) -> TableDefinition:
    """The compacted table. Raises `HistoryError` if the pipeline has none, or doesn't say how it is filled."""
    table = compacted_table(environment)
    if table is None or not (environment.pipeline.sql / "compaction").is_dir():
        raise HistoryError(f"this pipeline has no compaction: {environment.pipeline.sql} has no folder compaction")
    return table


def _sql(environment: Environment, name: str, **values: str) -> str:
    file = environment.pipeline.sql / "compaction" / f"{name}.sql"
    columns = ", ".join(f'"{column}"' for column in _columns(environment))
    return substitute(file.read_text(encoding="utf-8"), database=environment.names.database, columns=columns, **values)


def _columns(environment: Environment) -> list[str]:
    """The columns that a file of the compacted table has."""
    return [column["Name"] for column in table_of(environment).columns]


def _delete_compacted(engine: Engine, stored: list[ListedObject]) -> tuple[int, list[Kept]]:
    """Delete those of the objects stored before the last look that are compacted; (deleted, kept)."""
    kept: list[Kept] = []
    verified, deleted = _verified(engine, stored, kept), 0
    while batch := list(islice(verified, DELETED_AT_ONCE)):
        changed = _delete(engine.environment.aws.s3, engine.table.bucket, batch)
        kept += changed
        deleted += len(batch) - len(changed)
        engine.progress(f"{deleted:,} JSON objects deleted, {len(kept):,} kept")
    return deleted, sorted(kept)


def _verified(engine: Engine, stored: list[ListedObject], kept: list[Kept]) -> Iterator[ListedObject]:
    """Read the objects; yield those whose whole content is in the compacted table, and add the others to `kept`."""
    table, target = details_table(engine.environment), engine.table
    columns = tuple(column for column in table.all_columns if column in target.all_columns)
    compacted = engine.compacted_keys()
    for one in objects.fetch(engine.environment.aws.s3, table.bucket, stored):
        if one.body is None:
            continue  # another run has deleted it
        reason = lost_by_rows(one.body, columns, {"timestamp": _is_event_time})
        if one.etag != one.listed.etag:
            reason = _CHANGED
        elif reason is None and one.listed.key not in compacted:
            reason = f"some of its lines are not in table {target.name} with the same values"
        elif reason is None and not one.listed.key.isprintable():
            reason = "its key has characters that a DeleteObjects request can't contain"
        if reason is None:
            yield one.listed
        else:
            kept.append(Kept(one.listed.key, reason))


def _is_event_time(fields: dict[str, Any]) -> bool:
    """Whether a record's `timestamp`, which the compacted table doesn't have, is its `event_time`, written in UTC."""
    timestamp, event_time = fields["timestamp"], fields.get("event_time")
    if not isinstance(timestamp, str) or not isinstance(event_time, str) or not timestamp.endswith(("Z", "+00:00")):
        return False
    if re.search(r"\.\d{7}", timestamp):
        return False  # finer than what is compared here
    try:
        return datetime.fromisoformat(timestamp) == datetime.fromisoformat(event_time)
    except ValueError:
        return False


def _delete(s3: "S3Client", bucket: str, batch: list[ListedObject]) -> list[Kept]:
    """Delete each of these objects if it is still the one that was read; returns the others."""
    wanted: list[ObjectIdentifierTypeDef] = [{"Key": one.key, "ETag": f'"{one.etag}"'} for one in batch]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted, "Quiet": True})
    errors = answer.get("Errors", [])
    refused = [error for error in errors if error.get("Code") not in _LOST_THE_RACE | {"NoSuchKey"}]
    if refused:
        raise HistoryError(f"S3 refuses to delete {refused[0].get('Key')!r}: {refused[0].get('Message')}")
    return [Kept(error["Key"], _CHANGED) for error in errors if error.get("Code") in _LOST_THE_RACE]
