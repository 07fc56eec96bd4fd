import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from analytics import HistoryError, run_query, statements
from analytics.statements import named_queries
from profiles.folders import cache_folder
from tests.support.environments import STOCKS
from tests.support.history_data import daily_closes, key_of, made_tick, record
from tests.unit.analytics.conftest import History

ADVERSARIAL = {
    "truncated": b'{"symbol":"TSLA","price":12',
    "empty": b"",
    "array": b"[]",
    "numbers": b"[1,2,3]",
    "bom": b'\xef\xbb\xbf{"symbol":"BOM","price":1,"volume":1}',
    "other-keys": b'{"name":"x","cost":1}',
    "huge": b'{"symbol":"HUGE","price":1e999,"volume":99999999999999999999}',
    "binary": bytes(range(256)),
    "folder": b"x",
}


def stored(history: History, count: int, symbol: str = "TSLA") -> None:
    for number in range(count):
        tick = made_tick(number, symbol)
        history.put(key_of(tick), record(tick, latency_ms=number, alert=tick.price >= 1036))


def ask(history: History, sql: str) -> tuple[tuple[Any, ...], ...]:
    return run_query(history.environment, sql, "duckdb").rows


def test_the_known_answers_of_the_real_data_at_full_precision(history: History) -> None:
    by_symbol: dict[str, list[bytes]] = {}
    for tick in daily_closes():
        by_symbol.setdefault(tick.symbol, []).append(record(tick))
    for symbol, lines in by_symbol.items():
        for start in range(0, len(lines), 100):
            history.put(f"processed/{symbol}/{start}-batch.json", b"".join(lines[start : start + 100]))

    averages = run_query(history.environment, "average_price", "duckdb")
    maxima = dict(run_query(history.environment, "maximum_price", "duckdb").rows)

    assert [(symbol, f"{average:.6f}", count) for symbol, average, count in averages.rows] == [
        ("AAPL", "151.108241", 3270),
        ("FB", "25.626072", 196),
        ("GOOG", "475.479129", 2148),
        ("IBM", "114.067641", 3270),
        ("MSFT", "34.800298", 3270),
    ]
    assert (maxima["GOOG"], maxima["AAPL"]) == (806.85, 702.10)
    assert ask(history, "SELECT COUNT(*) FROM stock_data.records WHERE price >= 700") == ((96,),)


def test_every_named_query_answers(history: History) -> None:
    stored(history, 300)
    for name in named_queries(STOCKS):
        result = run_query(history.environment, name, "duckdb")
        assert result.rows, name
        assert result.engine == "duckdb"


def test_candles_open_and_close_with_the_first_and_last_tick_of_the_minute(history: History) -> None:
    stored(history, 480)  # four a second: two minutes
    candles = run_query(history.environment, "candles", "duckdb").as_dicts()
    prices = [made_tick(number).price for number in range(480)]
    assert [candle["minute"] for candle in candles] == ["2026-01-05 14:30", "2026-01-05 14:31"]
    assert [candle["open"] for candle in candles] == [prices[0], prices[240]]
    assert [candle["close"] for candle in candles] == [prices[239], prices[479]]
    assert [candle["high"] for candle in candles] == [max(prices[:240]), max(prices[240:])]
    assert [candle["ticks"] for candle in candles] == [240, 240]


def test_adversarial_objects_break_no_query_and_change_no_count_of_the_rest(history: History) -> None:
    stored(history, 50)
    before = {name: run_query(history.environment, name, "duckdb").as_dicts() for name in named_queries(STOCKS)}

    for name, body in ADVERSARIAL.items():
        history.put(f"processed/TSLA/{name}.json", body)
    history.put("processed/TSLA/", b"")
    history.put("processed/ODD/packed.json.gz", gzip.compress(record(made_tick(1, "GZIP"))))
    history.put("processed/TSLA/_hidden.json", record(made_tick(1, "HIDDEN")))

    for name in named_queries(STOCKS):
        now = run_query(history.environment, name, "duckdb").as_dicts()
        if name != "ingestion":  # counts per minute, whatever the symbol
            assert [row for row in now if row.get("symbol") == "TSLA"] == [
                row for row in before[name] if row.get("symbol") == "TSLA"
            ]
    found = dict(ask(history, "SELECT symbol, COUNT(*) FROM records GROUP BY symbol"))
    assert found["TSLA"] == 50
    assert found["GZIP"] == found["BOM"] == found["HUGE"] == 1
    assert "HIDDEN" not in found


def test_the_second_query_fetches_only_what_is_new_or_changed(history: History) -> None:
    stored(history, 20)
    ask(history, "SELECT COUNT(*) FROM records")
    history.put(key_of(made_tick(3)), record(made_tick(3), latency_ms=999))
    history.put(key_of(made_tick(77)), record(made_tick(77)))
    history.s3.requests.clear()

    rows = ask(history, "SELECT COUNT(*), MAX(latency_ms) FROM record_details")

    assert rows == ((21, 999),)
    fetched = {one for one in history.s3.requests if one.endswith(".json")}
    bucket = history.names.bucket
    assert fetched == {f"GET {bucket}/{key_of(made_tick(3))}", f"GET {bucket}/{key_of(made_tick(77))}"}


def test_deleted_objects_are_gone_from_the_table(history: History) -> None:
    stored(history, 5)
    assert ask(history, "SELECT COUNT(*) FROM records") == ((5,),)
    del history.s3.objects[f"{history.names.bucket}/{key_of(made_tick(2))}"]
    assert ask(history, "SELECT COUNT(*) FROM records") == ((4,),)


@pytest.mark.parametrize(
    ("condition", "expected", "read"),
    [
        ("symbol = 'AAPL'", 3, {"AAPL"}),
        ("symbol IN ('AAPL', 'MSFT') AND price > 0", 8, {"AAPL", "MSFT"}),
        ("symbol LIKE 'A%'", 3, {"AAPL"}),
        ("symbol = 'AAPL' OR price < 0", 3, {"AAPL", "MSFT", "TSLA"}),
        ("symbol IS NULL", 0, {"AAPL", "MSFT", "TSLA"}),
        ("price > 0", 10, {"AAPL", "MSFT", "TSLA"}),
    ],
)
def test_only_folders_that_the_condition_leaves_are_read(
    history: History, condition: str, expected: int, read: set[str]
) -> None:
    for symbol, count in (("AAPL", 3), ("MSFT", 5), ("TSLA", 2)):
        stored(history, count, symbol)
    history.s3.requests.clear()
    sql = statements.substitute("SELECT COUNT(*) FROM records WHERE ${condition}", condition=condition)
    assert ask(history, sql) == ((expected,),)
    assert {one.split("/")[2] for one in history.s3.requests if one.endswith(".json")} == read


def test_path_is_there_when_asked_for_and_hidden_from_stars(history: History) -> None:
    stored(history, 1)
    path = f"s3://{history.names.bucket}/{key_of(made_tick(0))}"
    plain = run_query(history.environment, "SELECT * FROM records", "duckdb")
    assert [column.name for column in plain.columns] == ["symbol", "price", "volume", "processed_at"]
    both = run_query(history.environment, 'SELECT *, "$path" FROM records', "duckdb")
    assert [column.name for column in both.columns][-2:] == ["processed_at", "$path"]
    assert both.rows[0][-1] == path


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT symbol,\n  prise\nFROM records", r"^line 2, column 3: .*prise.*price"),
        ("SELECT frobnicate(price) FROM records", r"^line 1, column 8: .*frobnicate"),
        ("SELECT symbol FROM record", r"^line 1, column 20: there is no table record\. Did you mean records\?"),
        ("SELECT a,\n b frm c where (", r"^line 2, column 8: "),
        ("SELECT CAST(symbol AS integer) FROM records", r"Could not convert string"),
        ("SELECT 'x FROM records", r"never closed"),
        ("DROP TABLE records", r"only reads"),
        ("SELECT 1; SELECT 2", r"one query at a time"),
    ],
)
def test_bad_sql_says_where_and_what(history: History, sql: str, message: str) -> None:
    stored(history, 2)
    with pytest.raises(HistoryError, match=message):
        ask(history, sql)


def test_trino_semantics(history: History) -> None:
    stored(history, 1)
    assert ask(history, "SELECT 7 / 2, 7.0 / 2, COUNT(*), price / 2 FROM records GROUP BY price") == (
        (3, 3.5, 1, made_tick(0).price / 2),
    )
    result = run_query(history.environment, "SELECT COUNT(*), 1 AS one FROM records", "duckdb")
    assert [column.name for column in result.columns] == ["_col0", "one"]
    (row,) = ask(history, "SELECT from_iso8601_timestamp(event_time) FROM record_details")
    assert row[0].isoformat() == "2026-01-05T14:30:00+00:00"


def test_an_unknown_name_gets_suggestions(history: History) -> None:
    with pytest.raises(HistoryError, match="Did you mean average_price"):
        run_query(history.environment, "averge-price", "duckdb")


def test_an_empty_table_says_why_it_may_be_empty(history: History) -> None:
    history.put("other/file", b"x")
    result = run_query(history.environment, "average_price", "duckdb")
    assert result.rows == ()
    assert "no tick was sent yet" in result.notes[0]
    result = run_query(history.environment, "average_price", "duckdb", table="ticks")
    assert "stockpipe compact" in result.notes[0]


def test_concurrent_queries_share_the_cache_and_count_right(history: History) -> None:
    stored(history, 200)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(history, "SELECT COUNT(*) FROM records"), range(8)))
    assert answers == [((200,),)] * 8


def test_many_small_segments_are_merged(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.store.MERGE_ABOVE", 3)
    for count in range(1, 9):
        stored(history, count)
        assert ask(history, "SELECT COUNT(*) FROM records") == ((count,),)
    segments = list((cache_folder() / "history").rglob("*.parquet"))
    assert len(segments) <= 4
