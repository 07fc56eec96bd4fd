import csv
import io
import json
import re
from pathlib import Path

import duckdb
import pytest

from tests.support.command_line import stockpipe, works_on
from tests.support.history_data import key_of, made_tick, record
from tests.unit.analytics.conftest import History


@pytest.fixture(autouse=True)
def records(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        for symbol in ("AAPL", "TSLA"):
            tick = made_tick(number, symbol)
            history.put(key_of(tick), record(tick))
    works_on(monkeypatch, history.environment)


def test_list_names_every_query_with_what_it_answers() -> None:
    shown = stockpipe("query", "--list").stdout
    assert "average_price" in shown
    assert "candles" in shown


def test_the_engine_is_chosen_by_asking_and_told_on_standard_error() -> None:
    done = stockpipe("query", "average_price", "--format", "csv")
    assert [row["symbol"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["AAPL", "TSLA"]
    assert "no Athena" in done.stderr


def test_json_is_an_array_of_objects() -> None:
    done = stockpipe("query", "maximum_price", "--engine", "duckdb", "--format", "json")
    assert json.loads(done.stdout) == [
        {"symbol": "AAPL", "maximum_price": 1007.25},
        {"symbol": "TSLA", "maximum_price": 1007.25},
    ]


def test_parquet_keeps_types_and_nulls(tmp_path: Path) -> None:
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


def test_a_table_and_a_chart_with_a_line_per_symbol() -> None:
    shown = stockpipe("query", "candles", "--engine", "duckdb", "--chart").stdout
    assert "2026-01-05 14:30" in shown
    assert "close" in shown
    drawn = shown.rpartition("close")[2]
    assert "AAPL" in drawn
    assert "TSLA" in drawn


def test_a_file_may_use_placeholders(tmp_path: Path) -> None:
    file = tmp_path / "mine.sql"
    file.write_text("SELECT COUNT(*) AS n\nFROM ${database}.${table}\nWHERE symbol = 'TSLA'\n", encoding="utf-8")
    done = stockpipe("query", "--file", str(file), "--engine", "duckdb", "--format", "json")
    assert json.loads(done.stdout) == [{"n": 8}]


def test_compact_then_query_the_compacted_table() -> None:
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
def test_one_thing_to_ask_at_a_time(arguments: tuple[str, ...]) -> None:
    assert stockpipe("query", *arguments).exit_code == 2


def test_an_unknown_name_is_an_error_with_suggestions() -> None:
    done = stockpipe("query", "candle", "--engine", "duckdb")
    assert done.exit_code == 2
    assert "Did you mean candles" in done.error


def test_rows_that_can_not_be_drawn_are_shown_all_the_same() -> None:
    sql = "SELECT symbol FROM records WHERE symbol = 'AAPL' LIMIT 1"
    done = stockpipe("query", "--sql", sql, "--engine", "duckdb", "--chart")
    assert done.exit_code == 0
    assert "AAPL" in done.stdout
    assert "nothing to draw" in done.stderr
    assert "1 row from duckdb" in done.stderr


def test_which_engine_answered_is_not_said_before_an_error() -> None:
    done = stockpipe("query", "candles", "--table", "records")
    assert done.exit_code == 2
    assert "no Athena" not in done.stderr


def test_a_column_that_a_table_lacks_is_named_with_the_table() -> None:
    done = stockpipe("query", "candles", "--table", "records", "--engine", "duckdb")
    assert done.exit_code == 2
    assert re.search(r"there is no column '(event_time|tick_id)': table records has symbol, ", done.error)
    assert "Binder" not in done.error


def test_fractions_of_a_column_have_the_same_number_of_digits() -> None:
    sql = "SELECT x FROM (VALUES (CAST(1 AS double)), (2.5e0), (1234.125e0)) AS t(x)"
    shown = stockpipe("query", "--sql", sql, "--engine", "duckdb").stdout
    assert re.findall(r"[\d,]+\.\d+", shown) == ["1.000", "2.500", "1,234.125"]


BAD_SQL = {
    "empty": ("", "isn't a query"),
    "blank": (" \n\t", "isn't a query"),
    "one word": ("SELECT", "isn't a query"),
    "a comment": ("-- nothing here", "no statement"),
    "several": ("SELECT 1 AS x; SELECT 2 AS x", "one query at a time"),
    "nonsense": ("SELEKT x FRM y", "line 1"),
    "a NUL": ("SELECT \0 1", "not valid UTF-8"),
    "not UTF-8": ("SELECT '\udcff' AS x", "UTF-8"),
    "one megabyte": ("SELECT " + " " * 2**20 + "1 AS x", "1,048,5"),
    "nested parentheses": ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "nested too deeply"),
    "nested queries": ("SELECT * FROM " + "(SELECT * FROM " * 900 + "records" + ")" * 900, "nested too deeply"),
    "a long sum": ("SELECT " + "+".join(["1"] * 5_000) + " AS x", "expression depth|nested too deeply"),
    "another database": ("SELECT * FROM prod.records", "no table prod.records"),
    "a parameter": ("SELECT ? AS x FROM records", "parameter|Values were not provided"),
    "a named parameter": ("SELECT :x AS x FROM records", "parameter|Values were not provided"),
    "a wrong cast": ("SELECT CAST(symbol AS date) FROM records", "invalid date"),
    "an overflow": ("SELECT 9223372036854775807 + 1 AS x", "Overflow"),
    "an unknown command": ("LOAD httpfs", "only reads"),
}


def test_bad_sql_is_one_line_and_exit_code_2() -> None:
    for name, (sql, expected) in BAD_SQL.items():
        done = stockpipe("query", "--engine", "duckdb", "--sql", sql)
        assert done.exit_code == 2, (name, done.error)
        assert re.search(expected, done.error), name
        assert "\n" not in done.error, name
        assert len(done.error) < 1000, name


def test_files_that_can_not_be_read_or_written_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe9'")
    (tmp_path / "plain.sql").write_bytes(b"SELECT symbol FROM records")
    for arguments in (
        ("--file", str(tmp_path / "latin.sql")),
        ("--file", str(tmp_path / "plain.sql"), "--format", "csv", "--output", str(tmp_path / "no" / "folder.csv")),
        ("--file", str(tmp_path / "plain.sql"), "--format", "csv", "--output", str(tmp_path)),
        ("--file", str(tmp_path / "plain.sql"), "--table", "prices"),
        ("average_price", "--table", "prices"),
    ):
        done = stockpipe("query", "--engine", "duckdb", *arguments)
        assert done.exit_code == 2, repr(done.error)
        assert "\n" not in done.error
    for refused in (("--file", str(tmp_path)), ("--file", "nowhere.sql")):
        assert stockpipe("query", "--engine", "duckdb", *refused).exit_code == 2
    for option in ("--time-limit", "--memory-limit"):
        for value in ("0", "-1", "nan", "x", "99999999"):
            assert stockpipe("query", "average_price", option, value).exit_code == 2


def test_values_that_are_no_scalars_are_written_in_every_format(tmp_path: Path) -> None:
    values = ("ARRAY[CAST('NaN' AS double), 1e0] AS a", "MAP(ARRAY[DATE '2026-01-05'], ARRAY['x,\"y\"']) AS m")
    sql = f"SELECT {', '.join(values)}, X'00ff' AS b, 1.50 AS d"
    for output_format in ("table", "csv", "json", "parquet"):
        options = () if output_format == "table" else ("--output", str(tmp_path / output_format))
        done = stockpipe("query", "--engine", "duckdb", "--sql", sql, "--format", output_format, *options)
        assert done.exit_code == 0, done.error
    (row,) = json.loads((tmp_path / "json").read_text(encoding="utf-8"))
    assert row["a"] == ["nan", 1.0]
    assert len(duckdb.read_parquet(str(tmp_path / "parquet")).fetchall()) == 1


def test_columns_of_the_same_name_are_refused_where_one_would_be_lost() -> None:
    for output_format in ("json", "parquet"):
        sql = "SELECT symbol, symbol FROM records"
        done = stockpipe("query", "--engine", "duckdb", "--sql", sql, "--format", output_format)
        assert "the same name" in done.error


def test_kept_objects_are_named_and_the_exit_code_is_1(history: History) -> None:
    for number in range(30):
        history.put(f"processed/TSLA/odd-{number:02}\x1b[2J.json", b'{"odd":1}')
    done = stockpipe("compact", "--engine", "duckdb", "--delete-compacted")
    assert done.exit_code == 1
    assert "16 JSON objects deleted, 30 kept" in done.stdout
    assert "kept processed/TSLA/odd-00\\x1b[2J.json: line 1: field 'odd' isn't in the table" in done.stderr
    assert "and 10 more" in done.stderr
    done = stockpipe("compact", "--engine", "duckdb", "--delete-compacted", "--json")
    assert done.exit_code == 1
    kept = json.loads(done.stdout)["objects_kept"]
    assert (len(kept), kept[0]["key"]) == (30, "processed/TSLA/odd-00\x1b[2J.json")
