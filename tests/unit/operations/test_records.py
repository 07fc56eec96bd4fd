from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from operations.records import SearchLimitError, find_by_id, find_record
from pipeline.contract import CONTRACT, Tick
from profiles.environment import Environment
from profiles.session import Aws
from runtime.clock import iso_utc
from tests.support.environments import at, stock_names

BUCKET = "ticks"
START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-2")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        yield client


def environment(s3: Any) -> Environment:
    return at(cast("Aws", SimpleNamespace(s3=s3)), stock_names("000000000000", bucket_override=BUCKET))


def tick(name: str, seconds: float = 0, symbol: str = "AAPL") -> Tick:
    return Tick(name, symbol, 1.0, 1, iso_utc(START + timedelta(seconds=seconds)))


def store(s3: Any, key: str, *ticks: Tick) -> str:
    lines = [CONTRACT.encode_stored(one, sent_timestamp_ms=0, processed_at=START, alert=False) for one in ticks]
    body = "".join(lines).encode()
    s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"request-id": "r"})
    return key


def find(s3: Any, wanted: Tick, *, thorough: bool = False, limit: int = 1000) -> str | None:
    found = find_record(environment(s3), wanted, thorough=thorough, limit=limit, observer=lambda _: None)
    return found.key if found else None


def look(s3: Any, tick_id: str, *, group: str | None = None, limit: int = 1000) -> str | None:
    found = find_by_id(environment(s3), tick_id, group=group, limit=limit, observer=lambda _: None)
    return found.key if found else None


def test_a_tick_with_an_object_of_its_own_costs_one_read(s3: Any) -> None:
    calls: list[str] = []
    s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    key = store(s3, CONTRACT.key(tick("a")), tick("a"))
    calls.clear()
    assert find(s3, tick("a")) == key
    assert calls == ["GetObject"]


def test_a_tick_in_a_shared_object_is_found_near_its_time(s3: Any) -> None:
    store(s3, CONTRACT.key(tick("other")), tick("other"))
    batches = [[tick(f"{batch}-{n}", 10 * batch + n) for n in range(3)] for batch in range(40)]
    keys = [store(s3, CONTRACT.batch_key(batch), *batch) for batch in batches]
    assert find(s3, batches[20][2]) == keys[20]
    assert find(s3, batches[0][0]) == keys[0]
    assert find(s3, tick("nobody", 100)) is None


def test_a_batch_that_spans_years_is_found_when_all_are_looked_at(s3: Any) -> None:
    old, new = tick("old", -86_400 * 400), tick("new")
    key = store(s3, CONTRACT.batch_key([old, new]), old, new)
    assert find(s3, new) is None
    assert find(s3, new, thorough=True) == key


def test_a_tick_of_which_only_the_id_is_known(s3: Any) -> None:
    own = store(s3, CONTRACT.key(tick("own", symbol="TSLA")), tick("own", symbol="TSLA"))
    members = [tick("m1", symbol="IBM"), tick("m2", symbol="IBM")]
    shared = store(s3, CONTRACT.batch_key(members), *members)
    store(s3, "processed/IBM/garbage.json")
    s3.put_object(Bucket=BUCKET, Key="processed/IBM/1-torn", Body=b'{"tick_id": "m2"')
    assert look(s3, "own") == own
    assert look(s3, "m2") == shared
    assert look(s3, "m2", group="IBM") == shared
    assert look(s3, "own", group="IBM") is None
    assert look(s3, "nobody") is None


def test_a_search_ends_at_its_limit(s3: Any) -> None:
    for number in range(5):
        store(s3, CONTRACT.key(tick(f"t{number}")), tick(f"t{number}"))
    with pytest.raises(SearchLimitError, match="looked at 5 objects"):
        look(s3, "nobody", limit=5)
    assert look(s3, "nobody", limit=6) is None
