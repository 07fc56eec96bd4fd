"""Compaction on Athena, with a stand-in for Athena that executes its SQL with the offline engine.

The stand-in is in `conftest.py`.
"""

import re
from typing import Any

import pytest

from analytics import run_query
from analytics.compact_athena import AthenaCompactor
from analytics.compaction import compact
from tests.support.history_data import key_of, made_tick, record
from tests.unit.analytics.conftest import History, StandIn


def run(history: History) -> Any:
    return compact(AthenaCompactor(history.environment), delete_compacted=True)


def stored_ids(history: History) -> list[str]:
    rows = run_query(history.environment, "SELECT tick_id FROM ticks ORDER BY 1", "duckdb").rows
    return [tick_id for (tick_id,) in rows]


def test_athena_compacts_deletes_what_is_verified_and_leaves_no_staging(history: History, stand_in: StandIn) -> None:
    ticks = [made_tick(n, symbol) for n in range(5) for symbol in ("AAPL", "TSLA")]
    for tick in ticks:
        history.put(key_of(tick), record(tick))
    history.put("processed/TSLA/odd.json", b"{")

    done = run(history)

    assert (done.added, done.partitions_written, done.objects_deleted, len(done.objects_kept)) == (10, 2, 10, 1)
    assert stored_ids(history) == sorted(tick.tick_id for tick in ticks)
    assert history.s3.keys(history.names.bucket, "athena-results/") == []
    assert any(sql.startswith("DROP TABLE") for sql in stand_in.statements)


def test_the_projection_is_widened_before_the_partitions_are_written(history: History, stand_in: StandIn) -> None:
    for start in ("2026-01-05T14:30:00+00:00", "2026-01-09T14:30:00+00:00"):
        history.put(
            key_of(made_tick(1, start=start)), record(made_tick(1, start=start)).replace(b"TSLA-1", start[:10].encode())
        )
    run(history)
    kinds = [re.match(r"(?:--.*\n)*(\w+ \w+)", sql) for sql in stand_in.statements]
    order = [kind[1] for kind in kinds if kind]
    assert order.index("ALTER TABLE") < order.index("CREATE TABLE")
    altered = next(sql for sql in stand_in.statements if sql.startswith("ALTER TABLE"))
    assert "'projection.day.range' = '2026-01-05,2026-01-09'" in altered
    assert "'projection.symbol.values' = 'TSLA'" in altered


def test_no_statement_writes_more_than_a_hundred_partitions(
    history: History, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.compact_athena.AthenaCompactor.partitions_at_once", 2)
    ticks = [made_tick(1, symbol) for symbol in ("AAPL", "AMZN", "GOOG", "MSFT", "TSLA")]
    for tick in ticks:
        history.put(key_of(tick), record(tick))
    assert run(history).partitions_written == 5
    assert sum(sql.startswith("CREATE TABLE") for sql in stand_in.statements) == 3
    assert stored_ids(history) == sorted(tick.tick_id for tick in ticks)


def test_what_another_run_wrote_in_between_is_kept(history: History, stand_in: StandIn) -> None:
    for number in range(3):
        history.put(key_of(made_tick(number)), record(made_tick(number)))
    others = iter([made_tick(7)])

    def other_run(**_: Any) -> None:
        for tick in others:
            history.put(key_of(tick), record(tick))
            run(history)

    history.aws.s3.meta.events.register_first("before-call.s3.CopyObject", other_run)
    run(history)
    assert stored_ids(history) == ["TSLA-0", "TSLA-1", "TSLA-2", "TSLA-7"]
