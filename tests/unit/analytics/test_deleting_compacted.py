"""`compact --delete-compacted` deletes an object only if everything in it is in table `ticks`, on both engines."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from analytics.compact_athena import AthenaCompactor
from analytics.compact_offline import OfflineCompactor
from analytics.compaction import Compaction, Partition, compact, existing
from tests.support.history_data import key_of, made_tick, record
from tests.unit.analytics.conftest import History

TICK = made_tick(1)
PLAIN = record(TICK)
BATCH = "processed/TSLA/1-batch.json"

KEPT = {
    # what the table has no column for
    "another field": (PLAIN.replace(b"}", b',"exchange":"XNAS"}'), "'exchange' isn't in the table"),
    "a field that is null": (PLAIN.replace(b"}", b',"exchange":null}'), "'exchange' isn't in the table"),
    "a key in another case": (PLAIN.replace(b'"price"', b'"Price"'), "'Price' isn't in the table"),
    "a column of the folders": (PLAIN.replace(b"}", b',"day":"2026-01-05"}'), "'day' isn't in the table"),
    "the key twice": (PLAIN.replace(b"{", b'{"price":1,'), "twice"),
    "the key twice in two cases": (PLAIN.replace(b"{", b'{"PRICE":1,'), "'PRICE' isn't in the table"),
    # what a column can't hold
    "a price with too many digits": (PLAIN.replace(b"1001.25", b"1001.2500000000000001"), "'price'"),
    "a quoted number": (PLAIN.replace(b"1001.25", b'"1001.25"'), "'price'"),
    "a fraction of a share": (PLAIN.replace(b'"volume":180', b'"volume":180.5'), "'volume'"),
    "a latency that is too large": (
        PLAIN.replace(b'"latency_ms":25', b'"latency_ms":9223372036854775808'),
        "'latency_ms'",
    ),
    "a nested latency": (PLAIN.replace(b'"latency_ms":25', b'"latency_ms":{"p50":25}'), "'latency_ms'"),
    "a number of 5,000 digits": (PLAIN.replace(b'"latency_ms":25', b'"latency_ms":' + b"9" * 5000), "'latency_ms'"),
    "an alert that is no truth value": (PLAIN.replace(b'"alert":false', b'"alert":"maybe"'), "'alert'"),
    "a lone surrogate": (PLAIN.replace(b'"processed_at":"', b'"processed_at":"\\ud800'), "'processed_at'"),
    "a NUL": (PLAIN.replace(b'"processed_at":"', b'"processed_at":"\\u0000'), "'processed_at'"),
    "a time with microseconds": (PLAIN.replace(b'30:00.250Z","event', b'30:00.250001Z","event'), "'timestamp'"),
    "a time with nanoseconds": (PLAIN.replace(b'30:00.250Z","event', b'30:00.250000001Z","event'), "'timestamp'"),
    "a time with an offset": (PLAIN.replace(b'14:30:00.250Z","event', b'16:30:00.250+02:00","event'), "'timestamp'"),
    # what is beside the tick
    "something after the object": (PLAIN.replace(b"}\n", b'} {"more":1}\n'), "more after the JSON object"),
    "garbage after the object": (PLAIN.replace(b"}\n", b"}\x00\xff\n"), "it isn't JSON"),
    "a blank line": (PLAIN + b"\n", "line 2"),
    "a line of garbage": (PLAIN + b"garbage\n", "line 2"),
    "a line of an array": (PLAIN + b'["TSLA",1]\n', "line 2"),
    "a second line with another field": (PLAIN + record(made_tick(2)).replace(b"}", b',"x":1}'), "line 2: field 'x'"),
    "a text that isn't UTF-8": (PLAIN.replace(b'"processed_at":"', b'"processed_at":"\xff'), "it isn't JSON"),
    "another line end": (PLAIN.replace(b"}\n", b"}\r") + record(made_tick(2)), "more after the JSON object"),
    # a copy that isn't the one in the table
    "a copy that was processed later": (PLAIN + record(TICK, latency_ms=99), "some of its lines are not in"),
}
DELETED = {
    "as the function stores it": PLAIN,
    "as the function stores a batch": b"".join(record(made_tick(n)) for n in range(5)),
    "without its last line end": PLAIN.rstrip(b"\n"),
    "with Windows line ends": PLAIN.replace(b"\n", b"\r\n"),
    "the same tick twice": PLAIN * 2,
    "a price that is written otherwise": PLAIN.replace(b"1001.25", b"1.00125e3"),
    "a time to the second": record(made_tick(0)).replace(b'30:00.000Z","event', b'30:00Z","event'),
    "without a latency": PLAIN.replace(b'"latency_ms":25,', b""),
}

Run = Callable[[], Compaction]


@pytest.fixture(params=["duckdb", "athena"])
def run(request: pytest.FixtureRequest, history: History) -> Run:
    engine: Any = OfflineCompactor(history.environment)
    if request.param == "athena":
        request.getfixturevalue("stand_in")
        engine = AthenaCompactor(history.environment)
    return lambda: compact(engine, delete_compacted=True)


def test_what_table_ticks_does_not_hold_is_kept_and_named(history: History, run: Run) -> None:
    keys = {f"processed/TSLA/{number:03}.json": name for number, name in enumerate(KEPT)}
    for key, name in keys.items():
        history.put(key, as_ticks_of_their_own(KEPT[name][0], key))
    plain = made_tick(77)
    history.put(key_of(plain), record(plain))

    done = run()

    assert done.objects_deleted == 1
    assert history.s3.keys(history.names.bucket, "processed/") == sorted(keys)
    reasons = {keys[kept.key]: kept.reason for kept in done.objects_kept}
    assert [(name, reasons[name]) for name in KEPT if KEPT[name][1] not in reasons[name]] == []


def test_what_table_ticks_holds_is_deleted(history: History, run: Run) -> None:
    for number, name in enumerate(DELETED):
        key = f"processed/TSLA/{number:03}.json"
        history.put(key, as_ticks_of_their_own(DELETED[name], key))

    done = run()

    assert (done.objects_deleted, done.objects_kept) == (len(DELETED), ())
    assert history.s3.keys(history.names.bucket, "processed/") == []


def test_an_object_that_is_overwritten_before_it_is_deleted_is_kept(history: History, run: Run) -> None:
    key = key_of(TICK)
    history.put(key, PLAIN)
    other = record(TICK, latency_ms=777)
    history.aws.s3.meta.events.register_first("before-call.s3.DeleteObjects", lambda **_: history.put(key, other))

    done = run()

    assert (done.objects_deleted, [kept.key for kept in done.objects_kept]) == (0, [key])
    assert history.s3.body(history.names.bucket, key) == other


def test_an_object_that_comes_after_the_last_look_is_neither_deleted_nor_reported(history: History, run: Run) -> None:
    history.put(key_of(TICK), PLAIN)
    late = made_tick(2)
    history.aws.s3.meta.events.register_first(
        "before-call.s3.DeleteObjects", lambda **_: history.put(key_of(late), record(late))
    )

    done = run()

    assert (done.objects_deleted, done.objects_kept) == (1, ())
    assert history.s3.keys(history.names.bucket, "processed/") == [key_of(late)]


def test_foreign_files_beside_the_partitions_get_into_no_statement(history: History) -> None:
    partition = "curated/day=2026-01-05/symbol=TSLA/ticks.parquet"
    foreign = (
        "curated/day=2026-01-05/symbol=A'); DROP TABLE ticks --/ticks.parquet",
        "curated/day=tomorrow/symbol=TSLA/ticks.parquet",
        "curated/day=2026-01-05/symbol=TSLA/other.parquet",
        "curated/day=2026-01-05/symbol=TSLA/price=1/ticks.parquet",
        f"{partition}\n",
    )
    for key in (*foreign, partition):
        history.put(key, b"x")
    assert list(existing(history.environment)) == [Partition("2026-01-05", "TSLA")]


def as_ticks_of_their_own(body: bytes, key: str) -> bytes:
    """The body with tick ids that no other object has: so each case is about its object alone."""
    number = key.rpartition("/")[2].partition(".")[0]
    assert json.loads(PLAIN)["tick_id"] == "TSLA-1"
    return body.replace(b"TSLA-", f"T{number}-".encode())
