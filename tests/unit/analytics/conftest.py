import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analytics import offline
from analytics.result import Result
from analytics.store import read_csv, write_csv
from profiles.environment import Environment
from profiles.names import Names
from profiles.session import Aws, open_endpoint
from tests.support.environments import at, stock_names
from tests.support.small_s3 import SmallS3, small_s3

_numbers = itertools.count(1)


@dataclass(frozen=True)
class History:
    """An environment of its own: an empty bucket on a loopback S3, and an empty cache."""

    environment: Environment
    s3: SmallS3

    @property
    def aws(self) -> Aws:
        return self.environment.aws

    @property
    def names(self) -> Names:
        return self.environment.names

    def put(self, key: str, body: bytes) -> None:
        self.s3.put(self.names.bucket, key, body)


@pytest.fixture(scope="session")
def loopback_s3() -> Iterator[SmallS3]:
    with small_s3() as store:
        yield store


@pytest.fixture
def history(loopback_s3: SmallS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path / "cache"))
    names = stock_names("000000000000", bucket_override=f"bucket-{next(_numbers)}")
    return History(at(open_endpoint(loopback_s3.endpoint_url), names), loopback_s3)


DUCKDB_TYPES = {"varchar": "VARCHAR", "double": "DOUBLE", "integer": "INT", "bigint": "BIGINT", "boolean": "BOOLEAN"}


class StandIn:
    """Athena and Glue of one environment, with the offline engine as the one that executes.

    It does what Athena documents: a SELECT gives rows; a CTAS writes one file for each partition under the workgroup's
    result location; ALTER TABLE and DROP TABLE are noted.
    """

    def __init__(self, history: History, folder: Path) -> None:
        self.history = history
        self.folder = folder
        self.statements: list[str] = []
        self.locations: dict[str, str] = {}

    def run(self, environment: Environment, sql: str, **_: Any) -> Result:
        self.statements.append(sql)
        created = re.match(r"CREATE TABLE \w+\.(compacting_\w+) WITH .*? AS\n", sql, re.DOTALL)
        if created:
            self._create(created[1], offline.run(environment, sql[created.end() :]))
        elif sql.startswith(("SELECT", "--")) and "CREATE EXTERNAL" not in sql:
            return offline.run(environment, sql)
        return Result((), (), "athena", 0, 0.0)

    def get_table(self, *, Name: str, **_: str) -> Any:  # noqa: N803  (Glue's own spelling)
        return {"Table": {"StorageDescriptor": {"Location": self.locations[Name]}}}

    def _create(self, table: str, result: Result) -> None:
        prefix = f"athena-results/tables/{table}/"
        self.locations[table] = f"s3://{self.history.names.bucket}/{prefix}"
        columns = tuple((column.name, DUCKDB_TYPES[column.type]) for column in result.columns)
        rows, written = self.folder / "rows.csv", self.folder / table
        write_csv(rows, result.rows)
        with offline.connect() as connection:
            relation = connection.sql(f"FROM {read_csv(rows, columns)}")
            relation.write_parquet(str(written), partition_by=["day", "symbol"])
        for file in written.rglob("*.parquet"):
            self.history.put(f"{prefix}{file.relative_to(written).parent}/{file.name}", file.read_bytes())


@pytest.fixture
def stand_in(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    athena = StandIn(history, tmp_path)
    monkeypatch.setattr("analytics.compact_athena.athena.run", athena.run)
    monkeypatch.setattr(history.aws.glue, "get_table", athena.get_table)
    return athena  # type: ignore[return-value]
