"""History on real engines: Athena where ministack executes it faithfully, offline on LocalStack, which has none.

ministack runs Athena's SQL as DuckDB's, unchanged, and guesses the columns' types from the JSON. So it can answer the
queries that use neither Trino's functions nor columns that look like times; docs/history.md has the list.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analytics import HistoryError, history, run_query
from bootstrap import down, up
from profiles.environment import Environment
from profiles.session import Aws
from tests.conftest import RunningEngine
from tests.support.environments import at, stock_names, stock_settings
from tests.support.history_data import key_of, made_tick, record

FAITHFUL = ("average_price", "maximum_price", "top_movers", "vwap")
TICKS = 120


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the engines' own environments stay in the user's cache; this is for the cached objects of one test
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path))


def empty_environment(aws: Aws) -> Environment:
    """An environment of its own with nothing but a bucket."""
    environment = at(aws, stock_names(aws.account, prefix=f"h{secrets.token_hex(4)}"))
    aws.s3.create_bucket(Bucket=environment.names.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    return environment


def filled_environment(aws: Aws) -> Environment:
    """One in which three symbols have some ticks each."""
    environment = empty_environment(aws)
    store_ticks(environment)
    return environment


@pytest.fixture
def on_athena(ministack: RunningEngine) -> Iterator[Environment]:
    """An environment that `up` has made on an endpoint with Athena, with the same ticks."""
    environment = at(ministack.aws, stock_names(ministack.aws.account, prefix=f"h{secrets.token_hex(4)}"))
    up(environment, stock_settings())
    store_ticks(environment)
    yield environment
    down(environment, stock_settings())


def store_ticks(environment: Environment) -> None:
    """Some ticks of three symbols."""
    aws, names = environment.aws, environment.names
    for number in range(TICKS):
        tick = made_tick(number, ("AAPL", "MSFT", "TSLA")[number % 3])
        aws.s3.put_object(Bucket=names.bucket, Key=key_of(tick), Body=record(tick, latency_ms=number))


def test_athena_gives_what_the_offline_engine_gives(on_athena: Environment) -> None:
    assert history.choose_engine(on_athena) == "athena"
    for name in FAITHFUL:
        asked = run_query(on_athena, name)
        offline = run_query(on_athena, name, "duckdb")
        assert asked.engine == "athena"
        assert asked.columns == offline.columns, name
        assert len(asked.rows) == 3
        for of_athena, of_duckdb in zip(asked.rows, offline.rows, strict=True):
            assert of_athena == pytest.approx(of_duckdb), name


def test_a_failed_query_on_athena_gives_the_engines_reason(on_athena: Environment) -> None:
    with pytest.raises(HistoryError, match=r"prise.*Athena query .*FAILED.*--engine duckdb"):
        run_query(on_athena, "SELECT prise FROM records", "athena")


def test_no_client_can_go_round_the_workgroups_settings_and_down_removes_them(on_athena: Environment) -> None:
    aws, names = on_athena.aws, on_athena.names
    found = aws.athena.get_work_group(WorkGroup=names.workgroup)["WorkGroup"]["Configuration"]
    assert found["EnforceWorkGroupConfiguration"] is True
    assert found["ResultConfiguration"] == {
        "OutputLocation": f"s3://{names.bucket}/athena-results/",
        "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
    }
    assert found["BytesScannedCutoffPerQuery"] == 100 * 10**9

    down(on_athena, stock_settings(), keep_data=True)

    assert names.database not in {one["Name"] for one in aws.glue.get_databases()["DatabaseList"]}
    with pytest.raises(HistoryError, match="stockpipe up"):
        history.choose_engine(on_athena)
    assert len(run_query(on_athena, "average_price", "duckdb").rows) == 3


def test_ticks_compacted_offline_are_there_for_athena_too(on_athena: Environment) -> None:
    before = run_query(on_athena, "average_price", "athena", table="ticks")
    history.run_compaction(on_athena, "duckdb")
    after = run_query(on_athena, "average_price", "athena", table="ticks")
    offline = run_query(on_athena, "average_price", "duckdb")
    assert before.rows == ()
    assert len(after.rows) == 3
    for of_athena, of_duckdb in zip(after.rows, offline.rows, strict=True):
        assert of_athena == pytest.approx(of_duckdb)


def test_without_the_workgroup_the_way_to_make_it_is_said(ministack: RunningEngine) -> None:
    with pytest.raises(HistoryError, match="stockpipe up"):
        history.choose_engine(empty_environment(ministack.aws))


@pytest.mark.parametrize("engine", ["ministack", "localstack"])
def test_offline_query_and_compaction(engine: str, request: pytest.FixtureRequest) -> None:
    environment = filled_environment(request.getfixturevalue(engine).aws)
    aws, names = environment.aws, environment.names
    before = run_query(environment, "candles", "duckdb")
    done = history.run_compaction(environment, "duckdb", delete_compacted=True)
    assert (done.added, done.partitions_written, done.objects_deleted) == (TICKS, 3, TICKS)
    assert run_query(environment, "candles", "duckdb", table="ticks").rows == before.rows
    assert aws.s3.list_objects_v2(Bucket=names.bucket, Prefix="processed/")["KeyCount"] == 0
    aws.s3.put_object(Bucket=names.bucket, Key=key_of(made_tick(999)), Body=record(made_tick(999)))
    assert history.run_compaction(environment, "duckdb").added == 1


def test_without_athena_the_offline_engine_answers_and_says_so(localstack: RunningEngine) -> None:
    environment = filled_environment(localstack.aws)
    said: list[str] = []
    result = run_query(environment, "average_price", announce=said.append)
    assert result.engine == "duckdb"
    assert [row[0] for row in result.rows] == ["AAPL", "MSFT", "TSLA"]
    assert said == ["This endpoint has no Athena: the same SQL runs offline, on DuckDB over the same objects."]


def test_only_the_object_that_was_verified_is_deleted(ministack: RunningEngine) -> None:
    environment = empty_environment(ministack.aws)
    aws, names = environment.aws, environment.names
    changing, odd, plain = (made_tick(number) for number in range(3))
    for tick in (changing, plain):
        aws.s3.put_object(Bucket=names.bucket, Key=key_of(tick), Body=record(tick))
    aws.s3.put_object(Bucket=names.bucket, Key=key_of(odd), Body=record(odd).replace(b"}", b',"exchange":"XNAS"}'))

    def overwrite(**_: Any) -> None:
        aws.s3.put_object(Bucket=names.bucket, Key=key_of(changing), Body=record(changing, latency_ms=777))

    aws.s3.meta.events.register_first("before-call.s3.DeleteObjects", overwrite)
    try:
        done = history.run_compaction(environment, "duckdb", delete_compacted=True)
    finally:
        aws.s3.meta.events.unregister("before-call.s3.DeleteObjects", overwrite)

    assert (done.added, done.objects_deleted) == (3, 1)
    left = aws.s3.list_objects_v2(Bucket=names.bucket, Prefix="processed/")["Contents"]
    assert {one["Key"] for one in left} == {key_of(changing), key_of(odd)}
    assert {one.key for one in done.objects_kept} == {key_of(changing), key_of(odd)}
