"""Ticks that are in table `ticks` only are found there."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from analytics.history import run_compaction
from operations.compacted import find_compacted, find_one
from profiles.names import Names
from profiles.session import Aws, Profile
from tests.support.history_data import key_of, made_tick, record

NAMES = Names("123456789012")
TICKS = [made_tick(number, symbol) for symbol in ("AAPL", "TSLA") for number in range(3)]


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An empty bucket, and a cache of the test's own."""
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path))
    with mock_aws():
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-2")
        found = Aws(Profile("moto", None), session)
        found.s3.create_bucket(Bucket=NAMES.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        yield found


@pytest.fixture
def compacted(aws: Aws) -> Aws:
    for tick in TICKS:
        aws.s3.put_object(Bucket=NAMES.bucket, Key=key_of(tick), Body=record(tick))
    run_compaction(aws, NAMES, "duckdb", delete_compacted=True)
    return aws


def test_one_tick_is_found_by_what_is_known_of_it(compacted: Aws) -> None:
    tick = TICKS[4]

    by_tick = find_one(compacted, NAMES, tick.tick_id, tick=tick)

    assert by_tick is not None
    assert by_tick.key == "curated/day=2026-01-05/symbol=TSLA/ticks.parquet"
    assert by_tick.record["timestamp"] == tick.timestamp
    assert (by_tick.record["price"], by_tick.record["latency_ms"]) == (tick.price, 25)
    assert by_tick.request_id == ""
    assert find_one(compacted, NAMES, tick.tick_id, symbol="TSLA") == by_tick
    assert find_one(compacted, NAMES, tick.tick_id) == by_tick


def test_what_is_not_there_is_not_found(compacted: Aws) -> None:
    assert find_one(compacted, NAMES, "it's not there") is None
    assert find_one(compacted, NAMES, TICKS[0].tick_id, symbol="TSLA") is None


def test_where_nothing_is_compacted_one_listing_tells(aws: Aws) -> None:
    calls: list[str] = []
    aws.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))

    assert find_one(aws, NAMES, "any") is None
    find_compacted(aws, NAMES, TICKS, lambda found: pytest.fail(f"found {found}"))

    assert calls == ["ListObjectsV2"] * 2
