"""Ticks that are in table `ticks` only are found there."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from analytics.history import run_compaction
from operations.compacted import find_compacted, find_one
from profiles.environment import Environment
from profiles.session import Aws, Profile
from runtime.contract import Stored
from tests.support.environments import at, stock_names
from tests.support.history_data import key_of, made_tick, record

NAMES = stock_names("123456789012")
TICKS = [made_tick(number, symbol) for symbol in ("AAPL", "TSLA") for number in range(3)]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """An empty bucket, and a cache of the test's own."""
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path))
    with mock_aws():
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-2")
        found = Aws(Profile("moto", None), session)
        found.s3.create_bucket(Bucket=NAMES.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        yield at(found, NAMES)


@pytest.fixture
def compacted(environment: Environment) -> Environment:
    for tick in TICKS:
        environment.aws.s3.put_object(Bucket=NAMES.bucket, Key=key_of(tick), Body=record(tick))
    run_compaction(environment, "duckdb", delete_compacted=True)
    return environment


def test_one_tick_is_found_by_what_is_known_of_it(compacted: Environment) -> None:
    tick = TICKS[4]

    found = find_one(compacted, tick.tick_id, record=tick)

    assert found is not None
    assert found.key == "curated/day=2026-01-05/symbol=TSLA/ticks.parquet"
    assert isinstance(found.content, Stored)
    assert found.content.record == tick
    assert found.content.latency_ms == 25
    assert found.request_id == ""
    assert find_one(compacted, tick.tick_id, group="TSLA") == found
    assert find_one(compacted, tick.tick_id) == found


def test_what_is_not_there_is_not_found(compacted: Environment) -> None:
    assert find_one(compacted, "it's not there") is None
    assert find_one(compacted, TICKS[0].tick_id, group="TSLA") is None


def test_where_nothing_is_compacted_one_listing_tells(environment: Environment) -> None:
    calls: list[str] = []
    environment.aws.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))

    assert find_one(environment, "any") is None
    find_compacted(environment, TICKS, lambda found: pytest.fail(f"found {found}"))

    assert calls == ["ListObjectsV2"] * 2
