"""Whatever lies in the bucket: healthy rows still come, or one line names the object; the cache stays private."""

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from botocore.exceptions import ClientError, IncompleteReadError

from analytics import HistoryError, run_query
from analytics.history import run_compaction
from analytics.scratch import scratch_folder
from analytics.store import UNUSED_DAYS
from profiles.folders import cache_folder
from tests.support.history_data import key_of, made_tick, record
from tests.unit.analytics.conftest import History

TICK = made_tick(1)
PARTITION = "curated/day=2026-01-05/symbol=TSLA/ticks.parquet"


def ask(history: History, sql: str) -> tuple[tuple[Any, ...], ...]:
    return run_query(history.environment, sql, "duckdb").rows


@pytest.fixture
def compacted(history: History) -> bytes:
    """A bucket with one good partition; gives the partition's file."""
    history.put(key_of(TICK), record(TICK))
    run_compaction(history.environment, "duckdb", delete_compacted=True)
    return history.s3.body(history.names.bucket, PARTITION)


def test_keys_are_data_and_never_a_place_on_the_disk(history: History, tmp_path: Path) -> None:
    hostile = (
        "../../../../etc/cron.d/x.json",
        "TSLA/../../../x.json",
        "//etc/passwd",
        "TSLA/" + "x" * 900 + ".json",
        "TSLA/a\nb\r\nc.json",
        "TSLA/a\tb.json",
        "TSLA/'; DROP TABLE x; --.json",
        'TSLA/","quoted".json',
        "TSLA/\\N.json",
        "TSLA/%00.json",
        "TSLA/\x1b[31m\x7f.json",
        "TSLA/\u202e\U0001f4a9.json",
        "TSLA/UPPER.json",
        "TSLA/upper.json",
        "tsla/upper.json",
        "TSLA/day=2026-01-05/symbol=X/x.json",
    )
    for number, key in enumerate(hostile):
        history.put(f"processed/{key}", record(made_tick(number)))
    before = set(tmp_path.iterdir())

    rows = ask(history, 'SELECT "$path", tick_id FROM record_details')

    # as Athena has it: what is in a folder whose name begins with a dot isn't there
    visible = [(key, f"TSLA-{number}") for number, key in enumerate(hostile) if ".." not in key]
    assert set(rows) == {(f"s3://{history.names.bucket}/processed/{key}", tick_id) for key, tick_id in visible}
    assert set(tmp_path.iterdir()) <= before | {tmp_path / "cache"}
    names = {file.name for file in cache_folder().rglob("*") if file.is_file()}
    assert all(name.removesuffix(".parquet").isalnum() for name in names)
    assert ask(history, "SELECT COUNT(*) FROM records WHERE symbol LIKE 'TSLA%'")[0][0] >= 10


def test_objects_that_change_or_vanish_while_they_are_read(history: History) -> None:
    for number in range(4):
        history.put(key_of(made_tick(number)), record(made_tick(number)))
    bucket = history.names.bucket

    def meddle(**_: Any) -> None:
        history.put(key_of(made_tick(0)), record(made_tick(0), latency_ms=999))
        history.s3.remove(f"{bucket}/{key_of(made_tick(1))}")

    history.aws.s3.meta.events.register_first("before-call.s3.GetObject", meddle)
    rows = ask(history, "SELECT tick_id, latency_ms FROM record_details ORDER BY tick_id")
    assert rows == (("TSLA-0", 999), ("TSLA-2", 25), ("TSLA-3", 25))


def test_a_body_that_breaks_off_is_read_again_and_then_named(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.put(key_of(TICK), record(TICK))
    failures = iter([True, False, True, True, True])

    def get_object(**asked: Any) -> Any:
        answer = original(**asked)
        if next(failures):
            monkeypatch.setattr(answer["Body"], "read", broken)
        return answer

    def broken() -> bytes:
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)

    original = history.aws.s3.get_object
    monkeypatch.setattr(history.aws.s3, "get_object", get_object)
    assert ask(history, "SELECT COUNT(*) FROM records") == ((1,),)
    history.put(key_of(TICK), record(TICK, latency_ms=1))
    with pytest.raises(HistoryError, match=rf"object '{key_of(TICK)}' can't be read: 1 read"):
        ask(history, "SELECT COUNT(*) FROM records")


def test_an_object_that_s3_does_not_give_is_named(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.put(key_of(TICK), record(TICK))

    def get_object(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "InvalidObjectState", "Message": "in Glacier"}}, "GetObject")

    monkeypatch.setattr(history.aws.s3, "get_object", get_object)
    with pytest.raises(HistoryError, match=rf"object '{key_of(TICK)}' can't be read: .*InvalidObjectState"):
        ask(history, "SELECT COUNT(*) FROM records")


def test_text_that_is_no_json_is_rows_of_null_beside_the_healthy_ones(history: History) -> None:
    history.put(key_of(TICK), record(TICK))
    history.put("processed/TSLA/latin.json", b'{"symbol":"T\xe9\xff","price":1,"volume":1}\n')
    history.put("processed/TSLA/deep.json", b"[" * 100_000)
    history.put(
        "processed/TSLA/digits.json", b'{"symbol":"D","price":' + b"9" * 5000 + b',"volume":' + b"9" * 5000 + b"}"
    )
    history.put("processed/TSLA/long.json", json.dumps({"symbol": "L" * 2_000_000, "price": 1}).encode())
    history.put("processed/TSLA/quotes.json", json.dumps({"symbol": '"\n,\\N\r' * 1000, "price": 2}).encode())
    history.put("processed/TSLA/odd.json", b'{"symbol":"\\ud800\\u0000\x1b","price":3}')
    rows = ask(history, "SELECT symbol, price FROM records ORDER BY price, symbol")
    symbols = {symbol for symbol, _ in rows}
    assert ("TSLA", TICK.price) in rows
    assert "L" * 2_000_000 in symbols
    assert '"\n,\\N\r' * 1000 in symbols
    assert len(rows) == 7


def test_a_line_longer_than_athena_takes_is_named(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.serde.LONGEST_LINE", 1000)
    history.put(key_of(TICK), record(TICK))
    history.put("processed/TSLA/long.json", record(TICK) + b'{"symbol":"' + b"x" * 1000 + b'"}')
    with pytest.raises(HistoryError, match=r"line 2 of 'processed/TSLA/long\.json' has 1,013 bytes"):
        ask(history, "SELECT COUNT(*) FROM records")


def test_a_parquet_file_that_can_not_be_read_is_named_and_loses_nothing(
    history: History, compacted: bytes, tmp_path: Path
) -> None:
    columns = "'x' AS tick_id, 'dear' AS price, 1 AS volume, 'x' AS event_time, 'x' AS processed_at, 1 AS latency_ms"
    for file, more in (("columns", ""), ("types", ", true AS alert")):
        duckdb.connect().sql(f"SELECT {columns}{more}").write_parquet(str(tmp_path / file))
    damaged = (
        compacted[:-7],
        compacted[: len(compacted) // 2],
        compacted[:4] + bytes(60) + compacted[64:],
        b"PAR1" + os.urandom(500) + b"PAR1",
        record(TICK),
        (tmp_path / "columns").read_bytes(),
        (tmp_path / "types").read_bytes(),
    )
    key = "curated/day=2026-01-06/symbol=TSLA/ticks.parquet"
    history.put(key_of(made_tick(2)), record(made_tick(2)))
    for body in damaged:
        history.put(key, body)
        with pytest.raises(HistoryError, match=rf"'{key}' can't be read as a Parquet file") as refused:
            ask(history, "SELECT COUNT(*) FROM ticks")
        assert "\n" not in str(refused.value)
        assert ask(history, "SELECT tick_id FROM ticks WHERE day = '2026-01-05'") == (("TSLA-1",),)
    with pytest.raises(HistoryError, match=rf"'{key}' can't be read as a Parquet file"):
        run_compaction(history.environment, "duckdb", delete_compacted=True)
    assert history.s3.keys(history.names.bucket, "processed/") == [key_of(made_tick(2))]
    history.s3.remove(f"{history.names.bucket}/{key}")
    assert ask(history, "SELECT COUNT(*) FROM ticks") == ((1,),)


def test_partitions_in_folders_of_other_names_mix_with_no_others(history: History, compacted: bytes) -> None:
    history.put("curated/a=1/symbol=IBM/day=2026-01-07/price=9/x.parquet", compacted)
    history.put("curated/a.parquet", compacted)
    rows = ask(history, "SELECT day, symbol, price FROM ticks ORDER BY day")
    assert rows == (("2026-01-05", "TSLA", TICK.price), ("2026-01-07", "IBM", TICK.price))
    history.put(key_of(made_tick(2)), record(made_tick(2)))
    assert run_compaction(history.environment, "duckdb").added == 1


@pytest.mark.parametrize("umask", [0o000, 0o027])
def test_the_cache_is_its_owners_alone_whatever_the_umask(history: History, compacted: bytes, umask: int) -> None:
    assert compacted
    (cache_folder() / "history").chmod(0o755)  # as an earlier version made it
    before = os.umask(umask)
    try:
        history.put(key_of(TICK), record(TICK))
        ask(history, "SELECT COUNT(*) FROM records, ticks")
        with scratch_folder() as scratch:
            assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    finally:
        os.umask(before)
    found = [(path, stat.S_IMODE(path.stat().st_mode)) for path in cache_folder().rglob("*")]
    assert any(path.is_file() for path, _ in found)
    assert [(path, mode) for path, mode in found if mode != (0o600 if path.is_file() else 0o700)] == []


def test_what_no_query_has_used_for_a_month_is_removed(history: History) -> None:
    history.put(key_of(TICK), record(TICK))
    ask(history, "SELECT COUNT(*) FROM records")
    (mine,) = (cache_folder() / "history").iterdir()
    ages = {"gone": UNUSED_DAYS + 1, "recent": UNUSED_DAYS - 1}
    for name, days in ages.items():
        (cache_folder() / "history" / name).mkdir()
        then = time.time() - days * 86_400
        os.utime(cache_folder() / "history" / name, (then, then))
    os.utime(mine, (0, 0))
    history.s3.requests.clear()
    ask(history, "SELECT COUNT(*) FROM records")
    assert {folder.name for folder in (cache_folder() / "history").iterdir()} == {mine.name, "recent"}
    assert not [one for one in history.s3.requests if one.endswith(".json")]


def test_a_damaged_file_in_the_cache_is_one_line_that_says_what_to_remove(history: History) -> None:
    history.put(key_of(TICK), record(TICK))
    ask(history, "SELECT COUNT(*) FROM records")
    (segment,) = (cache_folder() / "history").rglob("*.parquet")
    segment.write_bytes(segment.read_bytes()[:50])
    for run in (ask, lambda *_: run_compaction(history.environment, "duckdb")):
        with pytest.raises(HistoryError, match=r"remove the folder .*history$") as refused:
            run(history, "SELECT COUNT(*) FROM records")
        assert "\n" not in str(refused.value)
