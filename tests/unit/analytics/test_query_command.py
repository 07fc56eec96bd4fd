import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from analytics import HistoryError
from analytics.cli import app
from terminal import Environment
from tests.support.history_data import key_of, made_tick, record
from tests.unit.analytics.conftest import History


@pytest.fixture
def stockpipe(history: History, monkeypatch: pytest.MonkeyPatch) -> Any:
    for number in range(8):
        for symbol in ("AAPL", "TSLA"):
            tick = made_tick(number, symbol)
            history.put(key_of(tick), record(tick))
    monkeypatch.setattr("analytics.cli.open_environment", lambda *_: Environment(history.aws, history.names))

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(app, arguments)

    return invoke


def test_list_names_every_query_with_what_it_answers(stockpipe: Any) -> None:
    shown = stockpipe("query", "--list").stdout
    assert "average_price" in shown
    assert "candles" in shown


def test_the_engine_is_chosen_by_asking_and_told_on_standard_error(stockpipe: Any) -> None:
    done = stockpipe("query", "average_price", "--format", "csv")
    assert [row["symbol"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["AAPL", "TSLA"]
    assert "no Athena" in done.stderr


def test_json_is_an_array_of_objects(stockpipe: Any) -> None:
    done = stockpipe("query", "maximum_price", "--engine", "duckdb", "--format", "json")
    assert json.loads(done.stdout) == [
        {"symbol": "AAPL", "maximum_price": 1007.25},
        {"symbol": "TSLA", "maximum_price": 1007.25},
    ]


def test_parquet_keeps_types_and_nulls(stockpipe: Any, tmp_path: Path) -> None:
    file = tmp_path / "result.parquet"
    sql = (
        "SELECT symbol, AVG(price) AS average, COUNT(*) AS n, CAST(NULL AS varchar) AS nothing, "
        "MIN(from_iso8601_timestamp(event_time)) AS first FROM record_details GROUP BY symbol ORDER BY symbol"
    )
    done = stockpipe("query", "--sql", sql, "--engine", "duckdb", "--format", "parquet", "--output", str(file))
    assert done.exit_code == 0
    relation = duckdb.read_parquet(str(file))
    assert [str(kind) for kind in relation.types] == [
        "VARCHAR",
        "DOUBLE",
        "BIGINT",
        "VARCHAR",
        "TIMESTAMP WITH TIME ZONE",
    ]
    assert relation.project("symbol, average, n, nothing").fetchall() == [
        ("AAPL", 1003.75, 8, None),
        ("TSLA", 1003.75, 8, None),
    ]


def test_a_table_and_a_chart_with_a_line_per_symbol(stockpipe: Any) -> None:
    shown = stockpipe("query", "candles", "--engine", "duckdb", "--chart").stdout
    assert "2026-01-05 14:30" in shown
    assert "close" in shown
    drawn = shown.rpartition("close")[2]
    assert "AAPL" in drawn
    assert "TSLA" in drawn


def test_a_file_may_use_placeholders(stockpipe: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.sql"
    file.write_text("SELECT COUNT(*) AS n\nFROM ${database}.${table}\nWHERE symbol = 'TSLA'\n", encoding="utf-8")
    done = stockpipe("query", "--file", str(file), "--engine", "duckdb", "--format", "json")
    assert json.loads(done.stdout) == [{"n": 8}]


def test_compact_then_query_the_compacted_table(stockpipe: Any) -> None:
    done = stockpipe("compact", "--engine", "duckdb", "--delete-compacted", "--json")
    assert json.loads(done.stdout) == {
        "engine": "duckdb",
        "ticks_added": 16,
        "partitions_written": 2,
        "objects_deleted": 16,
        "objects_kept": [],
    }
    rows = stockpipe("query", "average_price", "--table", "ticks", "--engine", "duckdb", "--format", "json").stdout
    assert [row["records"] for row in json.loads(rows)] == [8, 8]
    assert "all were compacted" in stockpipe("query", "average_price", "--engine", "duckdb").stderr


@pytest.mark.parametrize("arguments", [(), ("average_price", "--sql", "SELECT 1"), ("SELECT 1",)])
def test_one_thing_to_ask_at_a_time(stockpipe: Any, arguments: tuple[str, ...]) -> None:
    assert stockpipe("query", *arguments).exit_code == 2


def test_an_unknown_name_is_an_error_with_suggestions(stockpipe: Any) -> None:
    done = stockpipe("query", "candle", "--engine", "duckdb")
    assert isinstance(done.exception, HistoryError)
    assert "Did you mean candles" in str(done.exception)


def test_rows_that_can_not_be_drawn_are_shown_all_the_same(stockpipe: Any) -> None:
    sql = "SELECT symbol FROM records WHERE symbol = 'AAPL' LIMIT 1"
    done = stockpipe("query", "--sql", sql, "--engine", "duckdb", "--chart")
    assert done.exit_code == 0
    assert "AAPL" in done.stdout
    assert "nothing to draw" in done.stderr
    assert "1 row from duckdb" in done.stderr


def test_which_engine_answered_is_not_said_before_an_error(stockpipe: Any) -> None:
    done = stockpipe("query", "candles", "--table", "records")
    assert isinstance(done.exception, HistoryError)
    assert "no Athena" not in done.stderr


def test_a_column_that_a_table_lacks_is_named_with_the_table(stockpipe: Any) -> None:
    done = stockpipe("query", "candles", "--table", "records", "--engine", "duckdb")
    assert isinstance(done.exception, HistoryError)
    assert re.search(r"there is no column '(event_time|tick_id)': table records has symbol, ", str(done.exception))
    assert "Binder" not in str(done.exception)


def test_fractions_of_a_column_have_the_same_number_of_digits(stockpipe: Any) -> None:
    sql = "SELECT x FROM (VALUES (CAST(1 AS double)), (2.5e0), (1234.125e0)) AS t(x)"
    shown = stockpipe("query", "--sql", sql, "--engine", "duckdb").stdout
    assert re.findall(r"[\d,]+\.\d+", shown) == ["1.000", "2.500", "1,234.125"]
