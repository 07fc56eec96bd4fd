"""A field that is added to the contract becomes a column by itself, and compaction keeps it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from analytics import run_query
from analytics.history import run_compaction
from analytics.tables import tables
from profiles.environment import Environment
from profiles.pipeline import Pipeline, load
from runtime.clock import from_epoch_ms
from tests.support.environments import STOCKS
from tests.support.history_data import key_of, made_tick, record
from tests.unit.analytics.conftest import History

FIELD = """    exchange: str | None = text(
        "[A-Z]{4}", "is not four letters", meaning="where it was traded", expected="four letters", optional=True
    )


CONTRACT ="""


@pytest.fixture
def with_exchange(tmp_path: Path) -> Pipeline:
    """The stock ticks with one more field."""
    folder = shutil.copytree(STOCKS.folder, tmp_path / "pipeline", ignore=shutil.ignore_patterns("data", "__pycache__"))
    contract = folder / "contract.py"
    contract.write_text(contract.read_text(encoding="utf-8").replace("\n\nCONTRACT =", FIELD), encoding="utf-8")
    return load(folder)


@pytest.fixture
def widened(history: History, with_exchange: Pipeline) -> Environment:
    """The environment of the test after its contract has got the field."""
    return Environment(with_exchange, history.aws, history.names)


def put(history: History, environment: Environment, number: int, **more: Any) -> None:
    """A tick of the wider contract, as the function stores it."""
    contract, narrow = environment.contract, made_tick(number)
    values = {name: getattr(narrow, name) for name in ("tick_id", "symbol", "price", "volume", "timestamp")}
    tick = contract.make({**values, **more})
    processed_at = from_epoch_ms(tick.epoch_ms + 25)
    line = contract.encode_stored(tick, sent_timestamp_ms=tick.epoch_ms, processed_at=processed_at, alert=False)
    history.put(contract.key(tick), line.encode())


def test_it_is_a_column_of_every_table_but_the_users(history: History, widened: Environment) -> None:
    before, after = tables(history.environment), tables(widened)

    assert after["records"] == before["records"]
    for name in ("record_details", "ticks"):
        more = set(after[name].all_columns) - set(before[name].all_columns)
        assert more == {("exchange", "string")}
        assert len(after[name].all_columns) == len(before[name].all_columns) + 1


def test_compaction_keeps_it_and_deletes_only_what_it_has_kept(history: History, widened: Environment) -> None:
    put(history, widened, 1, exchange="XNAS", run="run-1")
    put(history, widened, 2)

    done = run_compaction(widened, "duckdb", delete_compacted=True)

    assert (done.added, done.objects_deleted, done.objects_kept) == (2, 2, ())
    rows = run_query(widened, "SELECT tick_id, exchange, run FROM ticks ORDER BY tick_id", "duckdb").rows
    assert rows == (("TSLA-1", "XNAS", "run-1"), ("TSLA-2", None, None))


def test_what_was_compacted_before_the_field_stays_and_can_be_added_to(history: History, widened: Environment) -> None:
    # given a partition from before
    history.put(key_of(made_tick(1)), record(made_tick(1)))
    run_compaction(history.environment, "duckdb", delete_compacted=True)

    # when a tick with the field comes into the same partition
    put(history, widened, 2, exchange="XNAS")
    assert run_query(widened, "SELECT COUNT(exchange), COUNT(*) FROM ticks", "duckdb").rows == ((0, 1),)
    done = run_compaction(widened, "duckdb", delete_compacted=True)

    # then both are there, and the older one has no value of the field
    assert (done.added, done.objects_deleted, done.objects_kept) == (1, 1, ())
    rows = run_query(widened, "SELECT tick_id, exchange FROM ticks ORDER BY tick_id", "duckdb").rows
    assert rows == (("TSLA-1", None), ("TSLA-2", "XNAS"))
