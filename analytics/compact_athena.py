"""Compaction by Athena: a distributed engine reads the JSON and writes the Parquet, nothing passes through here.

CTAS writes a staging table, at most 100 partitions a statement and, being bucketed into one bucket, one file for each.
The workgroup enforces its result location, so the files are under `athena-results/`. They are copied to their keys on
the server's side, each under the condition that the partition is still what it was before the statement read it.

https://docs.aws.amazon.com/athena/latest/ug/ctas-considerations-limitations.html
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from analytics import athena, compaction, objects
from analytics.attach import partition_of
from analytics.compaction import Partition, Progress
from analytics.result import HistoryError, Result
from analytics.store import ListedObject
from profiles.environment import Environment

PARTITIONS_PER_STATEMENT = 100
STAGING = "compacting_"


@dataclass(frozen=True)
class AthenaCompactor:
    """A `compaction.Engine`."""

    environment: Environment
    progress: Progress = lambda _: None
    sleep: athena.Sleep = time.sleep
    name: str = "athena"

    def new_records(self) -> dict[Partition, int]:
        """How many records each partition lacks."""
        if there := sorted(compaction.existing(self.environment)):
            self.declare(there)  # `up` makes a table that spans nothing, also over files that an earlier one left
        rows = self._run(compaction.count_new_records(self.environment)).rows
        return {Partition(day, group): count for day, group, count in rows}

    def declare(self, partitions: Sequence[Partition]) -> None:
        """Widen the partition projection of the compacted table: ALTER TABLE … SET TBLPROPERTIES."""
        days = [partition.day for partition in partitions]
        groups = ",".join(sorted({partition.group for partition in partitions}))
        table = compaction.table_of(self.environment)
        day, group = table.partitions
        self._run(
            f"ALTER TABLE {self.environment.names.database}.{table.name} SET TBLPROPERTIES ("
            f"'projection.{day}.range' = '{min(days)},{max(days)}', 'projection.{group}.values' = '{groups}')"
        )

    def merge(self, partitions: Sequence[Partition]) -> Iterator[Partition]:
        """Write the partitions as they should be; gives those that were written."""
        waiting = iter(partitions)
        while batch := list(islice(waiting, PARTITIONS_PER_STATEMENT)):
            yield from self._merge(batch)

    def compacted_keys(self) -> list[str]:
        """The keys of JSON objects of which every line is in the compacted table."""
        start = f"s3://{self.environment.names.bucket}/"
        rows = self._run(compaction.select_compacted(self.environment)).rows
        return [path.removeprefix(start) for (path,) in rows]

    def _merge(self, batch: list[Partition]) -> Iterator[Partition]:
        before = compaction.existing(self.environment)
        staging = f"{STAGING}{uuid.uuid4().hex}"
        try:
            self._run(self._create_staging(staging, batch))
            for partition, one in self._staged(staging):
                if self._copy(one, partition, before.get(partition)):
                    yield partition
        finally:
            self._drop(staging)

    def _create_staging(self, staging: str, batch: list[Partition]) -> str:
        partition = ", ".join(f"'{column}'" for column in compaction.table_of(self.environment).partitions)
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
            partition = Partition(*(folder[column] for column in compaction.table_of(self.environment).partitions))
            if partition in seen:
                raise HistoryError(
                    f"Athena wrote more than one file for {partition}, so it can't be replaced as a whole"
                )
            seen.add(partition)
            yield partition, one

    def _copy(self, one: ListedObject, partition: Partition, etag: str | None) -> bool:
        table = compaction.table_of(self.environment)
        try:
            self.environment.aws.s3.copy_object(
                Bucket=table.bucket,
                Key=partition.key(table),
                CopySource={"Bucket": table.bucket, "Key": one.key},
                **compaction.replacing(etag),  # type: ignore[arg-type]
            )
        except ClientError as error:
            if compaction.lost_the_race(error):
                return False
            raise
        return True

    def _drop(self, staging: str) -> None:
        """Remove the staging table and its files; what a killed run leaves is only in the way of nobody's query."""
        try:
            bucket, prefix = self._location(staging)
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return  # the statement failed before there was a table
            raise
        self._run(f"DROP TABLE IF EXISTS {self.environment.names.database}.{staging}")
        for one in objects.list_objects(self.environment.aws.s3, bucket, [prefix]):
            self.environment.aws.s3.delete_object(Bucket=bucket, Key=one.key)

    def _location(self, staging: str) -> tuple[str, str]:
        found = self.environment.aws.glue.get_table(DatabaseName=self.environment.names.database, Name=staging)
        location = urlsplit(found["Table"]["StorageDescriptor"]["Location"])
        return location.netloc, location.path.strip("/") + "/"

    def _run(self, sql: str) -> Result:
        return athena.run(self.environment, sql, progress=self.progress, sleep=self.sleep)
