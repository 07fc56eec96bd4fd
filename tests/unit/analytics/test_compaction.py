import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from analytics import run_query
from analytics.history import run_compaction
from analytics.statements import named_queries
from pipeline.contract import Tick
from tests.support.environments import STOCKS
from tests.support.history_data import daily_closes, key_of, made_tick, record
from tests.unit.analytics.conftest import History


class KilledError(BaseException):
    """Stands for the process that ends here and now."""


def ask(history: History, sql: str) -> tuple[tuple[Any, ...], ...]:
    return run_query(history.environment, sql, "duckdb").rows


def compact(history: History, *, delete_compacted: bool = False) -> Any:
    return run_compaction(history.environment, "duckdb", delete_compacted=delete_compacted)


def store(history: History, ticks: Iterator[Tick] | list[Tick]) -> None:
    for tick in ticks:
        history.put(key_of(tick), record(tick))


def two_days() -> list[Tick]:
    late = [made_tick(n, "AAPL", start="2026-01-05T23:59:58+00:00") for n in range(16)]
    return late + [made_tick(n, "TSLA") for n in range(10)]


def ids_in_ticks(history: History) -> list[str]:
    return [tick_id for (tick_id,) in ask(history, "SELECT tick_id FROM ticks ORDER BY tick_id")]


def test_a_partition_per_day_and_symbol(history: History) -> None:
    store(history, two_days())
    done = compact(history)
    assert (done.added, done.partitions_written) == (26, 3)
    assert history.s3.keys(history.names.bucket, "curated/") == [
        "curated/day=2026-01-05/symbol=AAPL/ticks.parquet",
        "curated/day=2026-01-05/symbol=TSLA/ticks.parquet",
        "curated/day=2026-01-06/symbol=AAPL/ticks.parquet",
    ]


def test_named_queries_give_the_same_on_ticks_as_on_the_json_objects(history: History) -> None:
    store(history, two_days())
    compact(history)
    for name in named_queries(STOCKS):
        stored = run_query(history.environment, name, "duckdb")
        compacted = run_query(history.environment, name, "duckdb", table="ticks")
        assert compacted.columns == stored.columns, name
        assert len(compacted.rows) == len(stored.rows), name
        for of_ticks, of_json in zip(compacted.rows, stored.rows, strict=True):
            assert of_ticks == pytest.approx(of_json), name  # the order of additions moves a sum's last bit


def test_the_known_answers_of_the_real_data_come_from_ticks_too(history: History) -> None:
    by_symbol: dict[str, list[bytes]] = {}
    for tick in daily_closes():
        if tick.timestamp < "2001" or tick.symbol == "FB":
            by_symbol.setdefault(tick.symbol, []).append(record(tick))
    for symbol, lines in by_symbol.items():
        history.put(f"processed/{symbol}/1-batch.json", b"".join(lines))
    compact(history)
    json_rows = run_query(history.environment, "average_price", "duckdb").rows
    rows = run_query(history.environment, "average_price", "duckdb", table="ticks").rows
    assert [(row[0], row[2]) for row in rows] == [(row[0], row[2]) for row in json_rows]
    averages = {row[0]: f"{row[1]:.6f}" for row in rows}
    assert averages == {row[0]: f"{row[1]:.6f}" for row in json_rows}
    assert averages["FB"] == "25.626072"
    assert ask(history, "SELECT COUNT(*) FROM ticks WHERE symbol = 'FB' AND day >= '2012-05-18'") == ((196,),)


def test_running_it_again_changes_nothing(history: History) -> None:
    store(history, two_days())
    compact(history)
    before = dict(history.s3.objects)
    done = compact(history)
    assert (done.added, done.partitions_written) == (0, 0)
    assert history.s3.objects == before


def test_late_ticks_are_picked_up_into_their_old_partition(history: History) -> None:
    store(history, [made_tick(n) for n in range(5)])
    compact(history, delete_compacted=True)
    store(history, [made_tick(n) for n in range(3, 9)])
    assert compact(history).added == 4
    assert ids_in_ticks(history) == sorted(f"TSLA-{n}" for n in range(9))


def test_a_tick_that_was_stored_twice_is_there_once(history: History) -> None:
    first, second = made_tick(1), made_tick(2)
    batch = record(first, latency_ms=50) + record(second) + record(first, latency_ms=10)
    history.put("processed/TSLA/1-batch.json", batch)
    history.put("processed/TSLA/2-batch.json", record(first, latency_ms=99))
    compact(history)
    rows = ask(history, "SELECT tick_id, latency_ms FROM ticks ORDER BY tick_id")
    assert rows == (("TSLA-1", 10), ("TSLA-2", 25))


def test_what_is_no_tick_is_neither_compacted_nor_deleted(history: History) -> None:
    store(history, [made_tick(1)])
    odd = {
        "processed/TSLA/truncated.json": record(made_tick(2)) + b'{"symbol":"TSLA"',
        "processed/TSLA/other.json": b'{"name":"x"}',
        "processed/TSLA/symbol.json": b'{"tick_id":"x","symbol":"../x","price":1,"volume":1,'
        b'"event_time":"2026-01-05T14:30:00.000Z"}',
        "processed/TSLA/time.json": b'{"tick_id":"y","symbol":"TSLA","price":1,"volume":1,"event_time":"yesterday"}',
    }
    for key, body in odd.items():
        history.put(key, body)
    done = compact(history, delete_compacted=True)
    assert (done.added, done.objects_deleted, len(done.objects_kept)) == (2, 1, 4)
    assert history.s3.keys(history.names.bucket, "processed/") == sorted(odd)


def test_a_tick_id_that_names_two_different_ticks_keeps_its_second_object(history: History) -> None:
    one = made_tick(1)
    other = Tick(one.tick_id, "AAPL", one.price, one.volume, one.timestamp)
    store(history, [one, other])
    done = compact(history, delete_compacted=True)
    assert (done.added, done.objects_deleted, len(done.objects_kept)) == (1, 1, 1)


def test_an_object_that_changed_after_the_look_is_not_deleted(history: History) -> None:
    store(history, [made_tick(1)])
    key = key_of(made_tick(1))

    def change(**_: Any) -> None:
        history.put(key, record(made_tick(1), latency_ms=777))

    history.aws.s3.meta.events.register_first("before-call.s3.DeleteObjects", change)
    done = compact(history, delete_compacted=True)
    assert (done.objects_deleted, len(done.objects_kept)) == (0, 1)
    assert history.s3.keys(history.names.bucket, "processed/") == [key]


def test_of_two_compactions_at_once_none_undoes_the_other(history: History) -> None:
    store(history, [made_tick(n) for n in range(5)])
    runs = itertools.count()

    def other_run(**_: Any) -> None:
        if next(runs) == 0:  # between the first one's read and its write, another one compacts more and deletes
            store(history, [made_tick(n) for n in range(5, 9)])
            compact(history, delete_compacted=True)

    history.aws.s3.meta.events.register_first("before-call.s3.PutObject", other_run)
    compact(history, delete_compacted=True)
    assert ids_in_ticks(history) == sorted(f"TSLA-{n}" for n in range(9))
    assert history.s3.keys(history.names.bucket, "processed/") == []


@pytest.mark.parametrize("moment", ["before-call", "after-call"])
def test_killed_at_any_call_nothing_is_lost_or_doubled(history: History, moment: str) -> None:
    ticks = two_days()[7:9]  # two partitions
    expected = sorted(tick.tick_id for tick in ticks)
    for call in itertools.count(1):
        history.s3.objects.clear()
        store(history, ticks)
        calls = itertools.count(1)
        killed = False

        def kill(calls: Iterator[int] = calls, call: int = call, **_: Any) -> None:
            nonlocal killed
            if next(calls) == call:
                killed = True
                raise KilledError

        history.aws.s3.meta.events.register_first(f"{moment}.s3", kill)
        try:
            compact(history, delete_compacted=True)
        except KilledError:
            pass
        finally:
            history.aws.s3.meta.events.unregister(f"{moment}.s3", kill)

        left = ask(history, "SELECT tick_id FROM record_details UNION SELECT tick_id FROM ticks ORDER BY 1")
        assert [tick_id for (tick_id,) in left] == expected
        compact(history, delete_compacted=True)
        assert ids_in_ticks(history) == expected
        assert history.s3.keys(history.names.bucket, "processed/") == []
        if not killed:
            break
    assert call > 10
