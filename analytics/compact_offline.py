"""Compaction by DuckDB on this machine: the same SQL as on Athena, over the cached objects."""
# ruff: noqa: S608  (the SQL is that of sql/compaction)

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from analytics import compaction, dialect, objects
from analytics.attach import Attacher
from analytics.compaction import Partition
from analytics.limits import Limits
from analytics.offline import connect, unreadable
from analytics.result import HistoryError
from analytics.scratch import scratch_folder
from analytics.tables import details_table


class OfflineCompactor(compaction.Engine):
    """Compaction by DuckDB."""

    name = "duckdb"
    partitions_at_once = 2000  # files open at the same time while they are written

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run one query."""
        with self._tables() as connection:
            return connection.execute(self._translated(sql)).fetchall()

    def declare(self, partitions: Sequence[Partition]) -> None:
        """Nothing to do: offline, the partitions are those that are listed."""

    def write(self, batch: list[Partition]) -> Iterator[Partition]:
        """By way of local files."""
        with scratch_folder() as folder:
            with self._tables() as connection:
                etags = self._etags(connection)
                self._write_files(connection, batch, folder)
            pairs = [(partition, folder / partition.folder(self.table), etags.get(partition)) for partition in batch]
            for partition, written in zip(batch, objects.in_parallel(self._upload, pairs), strict=True):
                if written:
                    yield partition

    def _write_files(self, connection: duckdb.DuckDBPyConnection, batch: list[Partition], folder: Path) -> None:
        merged = self._translated(compaction.select_merged(self.environment, batch))
        partition = ", ".join(self.table.partitions)
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
        return self.replace(self.environment.aws.s3.put_object, partition, etag, Body=file.read_bytes())

    def _etags(self, connection: duckdb.DuckDBPyConnection) -> dict[Partition, str]:
        """The ETags of exactly the partitions that this connection reads."""
        path = dialect.PATH_COLUMN
        table = f"{self.environment.names.database}.{self.table.name}"
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
                # in this order: a record that another run compacts meanwhile is then found twice, and not missed
                attacher.attach(details_table(self.environment))
                attacher.attach(self.table)
                yield connection
            except duckdb.OutOfMemoryException as error:
                raise HistoryError(limit.too_large) from error
            except duckdb.Error as error:
                raise unreadable(error) from error

    def _translated(self, sql: str) -> str:
        return dialect.translate(sql, self.environment).duckdb_sql
