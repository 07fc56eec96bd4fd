"""History on real engines: Athena where ministack executes it faithfully, offline on LocalStack, which has none.

ministack runs Athena's SQL as DuckDB's, unchanged, and guesses the columns' types from the JSON. So it can answer the
queries that use neither Trino's functions nor columns that look like times; docs/history.md has the list.
"""

import secrets
from pathlib import Path

import pytest

from analytics import HistoryError, catalogue, history, run_query
from profiles.names import Names
from profiles.session import Aws
from tests.conftest import RunningEngine
from tests.support.history_data import key_of, made_tick, record

FAITHFUL = ("average_price", "maximum_price", "top_movers", "vwap")
TICKS = 120


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the engines' own environments stay in the user's cache; this is for the cached objects of one test
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path))


def environment(aws: Aws) -> Names:
    """An environment with a bucket in which three symbols have some ticks each."""
    names = Names(aws.account, prefix=f"h{secrets.token_hex(4)}")
    aws.s3.create_bucket(Bucket=names.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    for number in range(TICKS):
        tick = made_tick(number, ("AAPL", "MSFT", "TSLA")[number % 3])
        aws.s3.put_object(Bucket=names.bucket, Key=key_of(tick), Body=record(tick, latency_ms=number))
    return names


def test_athena_gives_what_the_offline_engine_gives(ministack: RunningEngine) -> None:
    names = environment(ministack.aws)
    assert catalogue.create(ministack.aws, names)
    assert history.choose_engine(ministack.aws, names) == "athena"
    for name in FAITHFUL:
        on_athena = run_query(ministack.aws, names, name)
        offline = run_query(ministack.aws, names, name, "duckdb")
        assert on_athena.engine == "athena"
        assert on_athena.columns == offline.columns, name
        assert len(on_athena.rows) == 3
        for of_athena, of_duckdb in zip(on_athena.rows, offline.rows, strict=True):
            assert of_athena == pytest.approx(of_duckdb), name


def test_a_failed_query_on_athena_gives_the_engines_reason(ministack: RunningEngine) -> None:
    names = environment(ministack.aws)
    catalogue.create(ministack.aws, names)
    with pytest.raises(HistoryError, match=r"prise.*Athena query .*FAILED"):
        run_query(ministack.aws, names, "SELECT prise FROM records", "athena")


def test_the_catalogue_can_be_made_and_removed_twice(ministack: RunningEngine) -> None:
    names = environment(ministack.aws)
    assert catalogue.create(ministack.aws, names)
    assert catalogue.create(ministack.aws, names)
    found = ministack.aws.athena.get_work_group(WorkGroup=names.workgroup)["WorkGroup"]["Configuration"]
    assert found["EnforceWorkGroupConfiguration"] is True
    assert found["ResultConfiguration"]["OutputLocation"] == f"s3://{names.bucket}/athena-results/"
    assert found["BytesScannedCutoffPerQuery"] == catalogue.BYTES_SCANNED_LIMIT
    assert catalogue.remove(ministack.aws, names)
    assert catalogue.remove(ministack.aws, names)
    with pytest.raises(HistoryError, match="stockpipe up"):
        history.choose_engine(ministack.aws, names)


@pytest.mark.parametrize("engine", ["ministack", "localstack"])
def test_offline_query_and_compaction(engine: str, request: pytest.FixtureRequest) -> None:
    aws = request.getfixturevalue(engine).aws
    names = environment(aws)
    before = run_query(aws, names, "candles", "duckdb")
    done = history.run_compaction(aws, names, "duckdb", delete_compacted=True)
    assert (done.ticks_added, done.partitions_written, done.objects_deleted) == (TICKS, 3, TICKS)
    assert run_query(aws, names, "candles", "duckdb", table="ticks").rows == before.rows
    assert aws.s3.list_objects_v2(Bucket=names.bucket, Prefix="processed/")["KeyCount"] == 0
    aws.s3.put_object(Bucket=names.bucket, Key=key_of(made_tick(999)), Body=record(made_tick(999)))
    assert history.run_compaction(aws, names, "duckdb").ticks_added == 1


def test_without_athena_the_offline_engine_answers_and_says_so(localstack: RunningEngine) -> None:
    names = environment(localstack.aws)
    said: list[str] = []
    assert not catalogue.create(localstack.aws, names, said.append)
    result = run_query(localstack.aws, names, "average_price", announce=said.append)
    assert result.engine == "duckdb"
    assert [row[0] for row in result.rows] == ["AAPL", "MSFT", "TSLA"]
    assert len(said) == 2
    assert all("this endpoint has" in line.lower() or "none" in line for line in said)
