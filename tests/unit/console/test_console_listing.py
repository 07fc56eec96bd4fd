"""Finding new objects with few LIST calls, in whatever order their keys come."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from console.listing import ReadingList, RecordListing, seen
from operations.records import records_in
from pipeline.contract import CONTRACT, Tick
from profiles.session import Aws
from runtime.clock import to_epoch_ms
from tests.support.environments import at, stock_names

PAGE = 5
START = datetime(2026, 1, 5, tzinfo=UTC)


class Bucket:
    """ListObjectsV2 as S3 answers it, with small pages."""

    def __init__(self) -> None:
        self.objects: dict[str, datetime] = {}
        self.calls = 0

    def put(self, *keys: str) -> None:
        for key in keys:
            self.objects[f"processed/{key}"] = START + timedelta(seconds=len(self.objects))

    def list_objects_v2(self, Prefix: str, StartAfter: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - AWS's names
        self.calls += 1
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > StartAfter)
        return {
            "Contents": [{"Key": key, "LastModified": self.objects[key], "Size": 1} for key in keys[:PAGE]],
            "IsTruncated": len(keys) > PAGE,
        }


def listing(bucket: Bucket, pages: int = 2) -> RecordListing:
    aws = cast("Aws", SimpleNamespace(s3=bucket))
    return RecordListing(at(aws, stock_names("000000000000")), sweep_pages=pages)


def found(listing: RecordListing) -> set[str]:
    return {item.key.removeprefix("processed/") for item in listing.find()}


def test_a_small_bucket_is_seen_whole_with_one_call_and_each_object_is_new_once() -> None:
    bucket = Bucket()
    bucket.put("TSLA/2-b.json", "AAPL/1-a.json")
    records = listing(bucket)

    assert found(records) == {"TSLA/2-b.json", "AAPL/1-a.json"}
    assert records.complete
    assert found(records) == set()
    assert bucket.calls == 2


def test_an_object_before_the_known_ones_is_found() -> None:
    # given replayed ticks of 2013 in the bucket
    bucket = Bucket()
    bucket.put("TSLA/1362096000000-a.json")
    records = listing(bucket)
    records.find()

    # when one of 2000 is stored: a shorter number, which sorts after, and one that sorts before
    bucket.put("TSLA/951868800000-b.json", "TSLA/1000000000000-c.json")

    assert found(records) == {"TSLA/951868800000-b.json", "TSLA/1000000000000-c.json"}


def test_a_large_bucket_is_swept_a_few_pages_at_a_time() -> None:
    bucket = Bucket()
    bucket.put(*(f"TSLA/{1000 + number}-x.json" for number in range(23)))
    records = listing(bucket, pages=2)

    counts = []
    while not records.complete:
        before = bucket.calls
        records.find()
        counts.append((len(records.known), bucket.calls - before))

    assert len(records.known) == 23
    assert len(counts) == 3, "23 objects are five pages: three times two"
    assert max(calls for _, calls in counts) <= 3, "two pages and one group"


def test_between_sweeps_new_objects_are_found_where_the_last_ones_were_written() -> None:
    # given a sweep that takes several turns and has just begun again
    bucket = Bucket()
    bucket.put(*(f"AAPL/{1000 + number}-x.json" for number in range(20)), "TSLA/5000-a.json")
    records = listing(bucket, pages=1)
    while not records.complete:
        records.find()

    # when a market goes on in TSLA, which the sweep has not reached
    bucket.put("TSLA/5001-b.json")

    assert found(records) == {"TSLA/5001-b.json"}


def test_deleted_objects_are_forgotten_after_a_sweep() -> None:
    bucket = Bucket()
    bucket.put("TSLA/1-a.json", "TSLA/2-b.json")
    records = listing(bucket)
    records.find()

    del bucket.objects["processed/TSLA/1-a.json"]
    records.find()

    assert records.known == {"processed/TSLA/2-b.json"}


def test_groups_take_turns_and_the_newest_are_read_first() -> None:
    bucket = Bucket()
    bucket.put("A/1-x.json", "A/2-x.json", "A/3-x.json", "B/1-x.json")
    reading = ReadingList()
    reading.add(listing(bucket).find())

    assert reading.take(3) == ["processed/A/3-x.json", "processed/B/1-x.json", "processed/A/2-x.json"]
    assert len(reading) == 1


def test_what_was_stored_before_a_moment_is_not_read() -> None:
    bucket = Bucket()
    bucket.put("A/1-x.json", "A/2-x.json", "B/1-x.json")
    reading = ReadingList(since_ms=to_epoch_ms(START + timedelta(seconds=1, milliseconds=300)))
    reading.add(listing(bucket).find())

    assert sorted(reading.take()) == ["processed/A/2-x.json", "processed/B/1-x.json"], "S3 tells whole seconds"


def test_lines_that_are_no_records_are_left_out() -> None:
    good = (
        b'{"tick_id":"a","symbol":"TSLA","price":1.5,"volume":2,"timestamp":"2026-01-05T00:00:00.25Z",'
        b'"event_time":"2026-01-05T00:00:00.250Z","processed_at":"2026-01-05T00:00:01.000Z","latency_ms":7,"alert":true}'
    )

    (record,) = seen(CONTRACT, records_in(CONTRACT, "k", [b"not json", b"[]", b'{"symbol":"X"}', good])[0])

    assert (record.key, record.value, record.processed_ms) == ("k", 1.5, 1767571201000)
    assert record.stored.record == Tick("a", "TSLA", 1.5, 2, "2026-01-05T00:00:00.25Z")
    assert (record.stored.latency_ms, record.stored.alert) == (7, True)
