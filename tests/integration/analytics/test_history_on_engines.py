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
from bootstrap import Settings, down, up
from profiles.names import Names
from profiles.session import Aws
from tests.conftest import RunningEngine
from tests.support.environments import at
from tests.support.history_data import key_of, made_tick, record

FAITHFUL = ("average_price", "maximum_price", "top_movers", "vwap")
TICKS = 120


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the engines' own environments stay in the user's cache; this is for the cached objects of one test
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path))


def environment(aws: Aws) -> Names:
    """Names with nothing but a bucket, in which three symbols have some ticks each."""
    names = Names(aws.account, prefix=f"h{secrets.token_hex(4)}")
    aws.s3.create_bucket(Bucket=names.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    store_ticks(aws, names)
    return names


@pytest.fixture
def on_athena(ministack: RunningEngine) -> Iterator[Names]:
    """An environment that `up` has made on an endpoint with Athena, with the same ticks."""
    settings = Settings(Names(ministack.aws.account, prefix=f"h{secrets.token_hex(4)}"))
    up(ministack.aws, settings)
    store_ticks(ministack.aws, settings.names)
    yield settings.names
    down(ministack.aws, settings)


def store_ticks(aws: Aws, names: Names) -> None:
    """Some ticks of three symbols."""
    for number in range(TICKS):
        tick = made_tick(number, ("AAPL", "MSFT", "TSLA")[number % 3])
        aws.s3.put_object(Bucket=names.bucket, Key=key_of(tick), Body=record(tick, latency_ms=number))


def test_athena_gives_what_the_offline_engine_gives(ministack: RunningEngine, on_athena: Names) -> None:
    assert history.choose_engine(ministack.aws, on_athena) == "athena"
    for name in FAITHFUL:
        asked = run_query(ministack.aws, on_athena, name)
        offline = run_query(ministack.aws, on_athena, name, "duckdb")
        assert asked.engine == "athena"
        assert asked.columns == offline.columns, name
        assert len(asked.rows) == 3
        for of_athena, of_duckdb in zip(asked.rows, offline.rows, strict=True):
            assert of_athena == pytest.approx(of_duckdb), name


def test_a_failed_query_on_athena_gives_the_engines_reason(ministack: RunningEngine, on_athena: Names) -> None:
    with pytest.raises(HistoryError, match=r"prise.*Athena query .*FAILED.*--engine duckdb"):
        run_query(ministack.aws, on_athena, "SELECT prise FROM records", "athena")


def test_no_client_can_go_round_the_workgroups_settings_and_down_removes_them(
    ministack: RunningEngine, on_athena: Names
) -> None:
    aws = ministack.aws
    found = aws.athena.get_work_group(WorkGroup=on_athena.workgroup)["WorkGroup"]["Configuration"]
    assert found["EnforceWorkGroupConfiguration"] is True
    assert found["ResultConfiguration"] == {
        "OutputLocation": f"s3://{on_athena.bucket}/athena-results/",
        "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
    }
    assert found["BytesScannedCutoffPerQuery"] == 100 * 10**9

    down(aws, Settings(on_athena), keep_data=True)

    assert on_athena.database not in {one["Name"] for one in aws.glue.get_databases()["DatabaseList"]}
    with pytest.raises(HistoryError, match="stockpipe up"):
        history.choose_engine(aws, on_athena)
    assert len(run_query(aws, on_athena, "average_price", "duckdb").rows) == 3


def test_ticks_compacted_offline_are_there_for_athena_too(ministack: RunningEngine, on_athena: Names) -> None:
    before = run_query(ministack.aws, on_athena, "average_price", "athena", table="ticks")
    history.run_compaction(ministack.aws, on_athena, "duckdb")
    after = run_query(ministack.aws, on_athena, "average_price", "athena", table="ticks")
    offline = run_query(ministack.aws, on_athena, "average_price", "duckdb")
    assert before.rows == ()
    assert len(after.rows) == 3
    for of_athena, of_duckdb in zip(after.rows, offline.rows, strict=True):
        assert of_athena == pytest.approx(of_duckdb)


def test_without_the_workgroup_the_way_to_make_it_is_said(ministack: RunningEngine) -> None:
    names = environment(ministack.aws)
    with pytest.raises(HistoryError, match="stockpipe up"):
        history.choose_engine(at(ministack.aws, names))


@pytest.mark.parametrize("engine", ["ministack", "localstack"])
def test_offline_query_and_compaction(engine: str, request: pytest.FixtureRequest) -> None:
    aws = request.getfixturevalue(engine).aws
    names = environment(aws)
    before = run_query(at(aws, names), "candles", "duckdb")
    done = history.run_compaction(at(aws, names), "duckdb", delete_compacted=True)
    assert (done.ticks_added, done.partitions_written, done.objects_deleted) == (TICKS, 3, TICKS)
    assert run_query(at(aws, names), "candles", "duckdb", table="ticks").rows == before.rows
    assert aws.s3.list_objects_v2(Bucket=names.bucket, Prefix="processed/")["KeyCount"] == 0
    aws.s3.put_object(Bucket=names.bucket, Key=key_of(made_tick(999)), Body=record(made_tick(999)))
    assert history.run_compaction(at(aws, names), "duckdb").ticks_added == 1


def test_without_athena_the_offline_engine_answers_and_says_so(localstack: RunningEngine) -> None:
    names = environment(localstack.aws)
    said: list[str] = []
    result = run_query(at(localstack.aws, names), "average_price", announce=said.append)
    assert result.engine == "duckdb"
    assert [row[0] for row in result.rows] == ["AAPL", "MSFT", "TSLA"]
    assert said == ["This endpoint has no Athena: the same SQL runs offline, on DuckDB over the same objects."]


def test_only_the_object_that_was_verified_is_deleted(ministack: RunningEngine) -> None:
    aws = ministack.aws
    names = Names(aws.account, prefix=f"h{secrets.token_hex(4)}")
    aws.s3.create_bucket(Bucket=names.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    changing, odd, plain = (made_tick(number) for number in range(3))
    for tick in (changing, plain):
        aws.s3.put_object(Bucket=names.bucket, Key=key_of(tick), Body=record(tick))
    aws.s3.put_object(Bucket=names.bucket, Key=key_of(odd), Body=record(odd).replace(b"}", b',"exchange":"XNAS"}'))

    def overwrite(**_: Any) -> None:
        aws.s3.put_object(Bucket=names.bucket, Key=key_of(changing), Body=record(changing, latency_ms=777))

    aws.s3.meta.events.register_first("before-call.s3.DeleteObjects", overwrite)
    try:
        done = history.run_compaction(at(aws, names), "duckdb", delete_compacted=True)
    finally:
        aws.s3.meta.events.unregister("before-call.s3.DeleteObjects", overwrite)

    assert (done.ticks_added, done.objects_deleted) == (3, 1)
    left = aws.s3.list_objects_v2(Bucket=names.bucket, Prefix="processed/")["Contents"]
    assert {one["Key"] for one in left} == {key_of(changing), key_of(odd)}
    assert {one.key for one in done.objects_kept} == {key_of(changing), key_of(odd)}
