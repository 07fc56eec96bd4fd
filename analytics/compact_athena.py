"""Compaction by Athena: Athena reads the JSON and writes the Parquet; no record passes through this machine.

CTAS writes a staging table, at most 100 partitions a statement and, being bucketed into one bucket, one file for each.
The workgroup enforces its result location, so the files are under `athena-results/`. They are copied to their keys on
the server's side, each under the condition that the partition is still what it was before the statement read it.

https://docs.aws.amazon.com/athena/latest/ug/ctas-considerations-limitations.html
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from analytics import athena, compaction, objects
from analytics.attach import partition_of
from analytics.compaction import Partition
from analytics.result import HistoryError
from analytics.store import ListedObject

STAGING = "compacting_"


class AthenaCompactor(compaction.Engine):
    """Compaction by Athena."""

    name = "athena"
    partitions_at_once = 100

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run any statement."""
        return athena.run(self.environment, sql, progress=self.progress).rows

    def declare(self, partitions: Sequence[Partition]) -> None:
        """Widen the partition projection of the compacted table: ALTER TABLE … SET TBLPROPERTIES."""
        if not partitions:
            return
        days = [partition.day for partition in partitions]
        groups = ",".join(sorted({partition.group for partition in partitions}))
        day, group = self.table.partitions
        self.rows(
            f"ALTER TABLE {self.environment.names.database}.{self.table.name} SET TBLPROPERTIES ("
            f"'projection.{day}.range' = '{min(days)},{max(days)}', 'projection.{group}.values' = '{groups}')"
        )

    def write(self, batch: list[Partition]) -> Iterator[Partition]:
        """By way of a staging table."""
        before = compaction.existing(self.environment)
        staging = f"{STAGING}{uuid.uuid4().hex}"
        copy = self.environment.aws.s3.copy_object
        try:
            self.rows(self._create_staging(staging, batch))
            for partition, one in self._staged(staging):
                source = {"Bucket": self.table.bucket, "Key": one.key}
                if self.replace(copy, partition, before.get(partition), CopySource=source):
                    yield partition
        finally:
            self._drop(staging)

    def _create_staging(self, staging: str, batch: list[Partition]) -> str:
        partition = ", ".join(f"'{column}'" for column in self.table.partitions)
        return (
            f"CREATE TABLE {self.environment.names.database}.{staging} WITH (format = 'PARQUET', "
            f"write_compression = 'ZSTD', partitioned_by = ARRAY[{partition}], "
            f"bucketed_by = ARRAY['{self.environment.contract.record.ID}'], bucket_count = 1) AS\n"
            + compaction.select_merged(self.environment, batch)
        )

    def _staged(self, staging: str) -> Iterator[tuple[Partition, ListedObject]]:
        bucket, prefix = self._location(staging)
        seen: set[Partition] = set()
        for one in objects.list_objects(self.environment.aws.s3, bucket, [prefix]):
            folder = partition_of(one.key.removeprefix(prefix))
            partition = Partition(*(folder[column] for column in self.table.partitions))
            if partition in seen:
                raise HistoryError(
                    f"Athena wrote more than one file for {partition}, so it can't be replaced as a whole"
                )
            seen.add(partition)
            yield partition, one

    def _drop(self, staging: str) -> None:
        """Remove the staging table and its files. Files left by a killed run do not affect queries."""
        try:
            bucket, prefix = self._location(staging)
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return  # the statement failed before there was a table
            raise
        self.rows(f"DROP TABLE IF EXISTS {self.environment.names.database}.{staging}")
        for one in objects.list_objects(self.environment.aws.s3, bucket, [prefix]):
            self.environment.aws.s3.delete_object(Bucket=bucket, Key=one.key)

    def _location(self, staging: str) -> tuple[str, str]:
        found = self.environment.aws.glue.get_table(DatabaseName=self.environment.names.database, Name=staging)
        location = urlsplit(found["Table"]["StorageDescriptor"]["Location"])
        return location.netloc, location.path.strip("/") + "/"
