"""Compaction by DuckDB on this machine: the same SQL as on Athena, over the cached objects."""
# ruff: noqa: S608  (the SQL is that of sql/compaction)

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import duckdb
from botocore.exceptions import ClientError

from analytics import compaction, dialect, objects
from analytics.attach import Attacher, Progress
from analytics.compaction import Partition
from analytics.limits import Limits
from analytics.offline import connect, unreadable
from analytics.result import HistoryError
from analytics.scratch import scratch_folder
from analytics.statements import details_table
from profiles.environment import Environment

PARTITIONS_AT_ONCE = 2000  # files open at the same time while they are written


@dataclass(frozen=True)
class OfflineCompactor:
    """A `compaction.Engine`."""

    environment: Environment
    progress: Progress = lambda _: None
    name: str = "duckdb"

    def new_records(self) -> dict[Partition, int]:
        """How many records each partition lacks."""
        with self._tables() as connection:
            rows = connection.execute(self._translated(compaction.count_new_records(self.environment))).fetchall()
        return {Partition(day, group): count for day, group, count in rows}

    def declare(self, partitions: Sequence[Partition]) -> None:
        """Nothing to do: offline, the partitions are those that are listed."""

    def merge(self, partitions: Sequence[Partition]) -> Iterator[Partition]:
        """Write the partitions as they should be; gives those that were written."""
        waiting = iter(partitions)
        while batch := list(islice(waiting, PARTITIONS_AT_ONCE)):
            yield from self._merge(batch)

    def compacted_keys(self) -> list[str]:
        """The keys of JSON objects of which every line is in the compacted table."""
        start = f"s3://{self.environment.names.bucket}/"
        with self._tables() as connection:
            rows = connection.execute(self._translated(compaction.select_compacted(self.environment))).fetchall()
        return [path.removeprefix(start) for (path,) in rows]

    def _merge(self, batch: list[Partition]) -> Iterator[Partition]:
        with scratch_folder() as folder:
            with self._tables() as connection:
                etags = self._etags(connection)
                self._write(connection, batch, folder)
            table = compaction.table_of(self.environment)
            pairs = [(partition, folder / partition.folder(table), etags.get(partition)) for partition in batch]
            for partition, written in zip(batch, objects.in_parallel(self._upload, pairs), strict=True):
                if written:
                    yield partition

    def _write(self, connection: duckdb.DuckDBPyConnection, batch: list[Partition], folder: Path) -> None:
        merged = self._translated(compaction.select_merged(self.environment, batch))
        partition = ", ".join(compaction.table_of(self.environment).partitions)
        connection.execute(f"SET partitioned_write_max_open_files = {len(batch) + 1}; SET threads = 1")
        connection.execute(
            f"COPY (SELECT * FROM ({merged}) ORDER BY {partition}, event_time, {self.environment.contract.record.ID}) "
            f"TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY ({partition}), OVERWRITE_OR_IGNORE)"
        )

    def _upload(self, item: tuple[Partition, Path, str | None]) -> bool:
        partition, folder, etag = item
        if not folder.exists():  # its new records were deleted in the meantime
            return False
        (file,) = folder.iterdir()  # exactly one: a partition is one object
        table = compaction.table_of(self.environment)
        try:
            self.environment.aws.s3.put_object(
                Bucket=table.bucket,
                Key=partition.key(table),
                Body=file.read_bytes(),
                **compaction.replacing(etag),  # type: ignore[arg-type]
            )
        except ClientError as error:
            if compaction.lost_the_race(error):
                return False
            raise
        return True

    def _etags(self, connection: duckdb.DuckDBPyConnection) -> dict[Partition, str]:
        """The ETags of exactly the partitions that this connection reads."""
        path = dialect.PATH_COLUMN
        table = f"{self.environment.names.database}.{compaction.table_of(self.environment).name}"
        rows = connection.execute(f'SELECT DISTINCT "{path}", "$etag" FROM {table}').fetchall()
        start = f"s3://{self.environment.names.bucket}/"
        return compaction.partitions(self.environment, ((path.removeprefix(start), etag) for path, etag in rows))

    @contextmanager
    def _tables(self) -> Iterator[duckdb.DuckDBPyConnection]:
        limit = Limits.chosen()
        with connect(limit) as connection:
            connection.execute(f"CREATE SCHEMA {self.environment.names.database}")
            attacher = Attacher(self.environment, connection, limit, self.progress)
            try:
                # this order: a record that another run moves in between is then seen twice rather than not at all
                attacher.attach(details_table(self.environment))
                attacher.attach(compaction.table_of(self.environment))
                yield connection
            except duckdb.OutOfMemoryException as error:
                raise HistoryError(limit.too_large) from error
            except duckdb.Error as error:
                raise unreadable(error) from error

    def _translated(self, sql: str) -> str:
        return dialect.translate(sql, self.environment).duckdb_sql
