"""An offline query sees the tables that it names and nothing else of the machine: two layers, each tested by itself."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from analytics import HistoryError, dialect, offline, run_query
from analytics.attach import Attacher
from analytics.limits import Limits
from analytics.tables import tables
from profiles.folders import cache_folder
from tests.support.history_data import key_of, made_tick, record
from tests.unit.analytics.conftest import History

# {secret} is a file of the user's, {other} one in the cache of another environment, {place} a file that isn't there
READS_FILES = (
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM main.read_blob('{secret}')",
    "SELECT * FROM read_json_objects('{secret}')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{secret}'",
    'SELECT * FROM "{secret}"',
    "SELECT * FROM '{other}'",
    "SELECT * FROM read_parquet('{other}')",
    "SELECT * FROM parquet_metadata('{other}')",
    "SELECT * FROM records JOIN read_parquet('{other}') AS o ON true",
    "SELECT * FROM records, LATERAL (SELECT * FROM read_text('{secret}'))",
    "SELECT symbol FROM records WHERE symbol IN (SELECT content FROM read_text('{secret}'))",
    "SELECT (SELECT content FROM read_text('{secret}')) AS x FROM records",
    "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    'SELECT * FROM "{other}", (WITH "{other}" AS (SELECT 1) SELECT * FROM "{other}") AS t',
    'WITH a AS (SELECT * FROM "{other}"), "{other}" AS (SELECT 1 AS x) SELECT * FROM a',
    "SELECT * FROM 'https://example.com/x.parquet'",
    "SELECT * FROM read_csv('s3://bucket/x.csv')",
)
CHANGES_SOMETHING = (
    "COPY records TO '{place}'",
    "COPY (SELECT 1) TO '{place}' (FORMAT parquet)",
    "ATTACH '{place}'",
    "ATTACH ':memory:' AS other",
    "EXPORT DATABASE '{place}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "RESET allowed_paths",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CREATE SECRET s (TYPE s3)",
    "CREATE TABLE mine AS SELECT 1",
    "CHECKPOINT",
    "SELECT 1; COPY (SELECT 1) TO '{place}'",
)
TELLS_OF_THE_SYSTEM = (
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM information_schema.tables",
    "WITH tables AS (SELECT 1) SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_views",
    "SELECT * FROM pragma_database_list",
    "SELECT getenv('HOME') AS x",
    "SELECT current_setting('temp_directory') AS x",
    "SELECT system.main.current_setting('temp_directory') AS x",
    "SELECT \"current_setting\"('temp_directory') AS x FROM records",
    "SELECT getvariable('x') AS x",
    "SELECT pg_get_viewdef(1) AS x",
    "SELECT json_serialize_plan('SELECT 1') AS x",
    "SELECT symbol FROM records WHERE symbol = current_setting('temp_directory')",
    "SELECT * FROM other_schema.records",
    "SELECT * FROM history",
    # SQL within a name or text that the translation writes as it is
    "SELECT date_add('day as x, current_setting(lower(''temp_directory'')) as y from records --', 1, current_date) "
    "FROM records",
    "SELECT date_add('day as x, (select count(*) from duckdb_settings()) as y from records --', 1, current_date) "
    "FROM records",
    'SELECT EXTRACT("day from current_date), (select max(name) from duckdb_settings()), extract(day" '
    "FROM current_date) FROM records",
    "SELECT @@a, ' $$, current_setting($q$temp_directory$q$) AS y, $$', '$$ AS z FROM stock_data.records --' "
    "FROM records",
)


@pytest.fixture
def places(history: History, tmp_path: Path) -> dict[str, str]:
    history.put(key_of(made_tick(1)), record(made_tick(1)))
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\n", encoding="utf-8")
    run_query(history.environment, "SELECT COUNT(*) FROM records", "duckdb")
    (segment,) = (cache_folder() / "history").rglob("*.parquet")
    other = segment.parents[1] / "other" / "other.parquet"
    other.parent.mkdir()
    other.write_bytes(segment.read_bytes())
    return {"secret": str(secret), "folder": str(tmp_path), "other": str(other), "place": str(tmp_path / "made")}


def test_what_is_no_table_of_ours_is_refused_before_an_object_is_read(history: History, places: dict[str, str]) -> None:
    history.s3.requests.clear()
    for sql in READS_FILES + CHANGES_SOMETHING + TELLS_OF_THE_SYSTEM:
        with pytest.raises(HistoryError) as refused:
            run_query(history.environment, sql.format(**places), "duckdb")
        assert "\n" not in str(refused.value), sql
    assert history.s3.requests == []
    assert not Path(places["place"]).exists()


@pytest.fixture
def locked(history: History, places: dict[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The connection as a query has it, without the layer before it."""
    assert places
    limit = Limits.chosen()
    with offline.connect(limit) as connection:
        connection.execute(f"CREATE SCHEMA {history.names.database}")
        attacher = Attacher(history.environment, connection, limit)
        attacher.attach(tables(history.environment)["records"])
        offline.lock(connection, history.environment, attacher.files)
        yield connection


def test_duckdb_itself_opens_no_other_file_and_changes_no_setting(
    locked: duckdb.DuckDBPyConnection, places: dict[str, str]
) -> None:
    let_through = []
    for sql in READS_FILES + CHANGES_SOMETHING:
        try:
            rows = locked.execute(sql.format(**places)).fetchall()
        except duckdb.Error:
            continue
        let_through.append((sql, rows))
    harmless = {"ATTACH ':memory:' AS other", "PRAGMA database_list", "CALL pragma_version()", "CHECKPOINT"}
    harmless |= {"CREATE TABLE mine AS SELECT 1"}  # in this connection's memory
    assert {sql for sql, _ in let_through} <= harmless
    assert locked.execute("SELECT COUNT(*) FROM records").fetchall() == [(1,)]
    assert not Path(places["place"]).exists()


def test_whatever_the_translation_would_let_through_only_one_select_is_run(
    history: History, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = dialect.translate("SELECT 1 AS x", history.environment)
    for sql in (*CHANGES_SOMETHING, "SELECT 1; SELECT 2"):
        planted = dialect.Translation(one.athena_sql, sql.format(**places), (), False, one.tree)
        monkeypatch.setattr(dialect, "translate", lambda *_, planted=planted: planted)
        with pytest.raises(HistoryError, match=r"one SELECT at a time"):
            run_query(history.environment, "SELECT 1 AS x", "duckdb")
    assert not Path(places["place"]).exists()


def test_a_variable_of_the_program_is_no_table(locked: duckdb.DuckDBPyConnection) -> None:
    variable = locked.sql("SELECT 'secret' AS x")
    assert variable is not None
    with pytest.raises(duckdb.Error, match="variable"):
        locked.execute("SELECT * FROM variable")


def test_with_and_unnest_are_sources_like_any_table(history: History, places: dict[str, str]) -> None:
    assert places
    for sql in (
        "WITH records AS (SELECT * FROM records) SELECT COUNT(*) FROM records",
        "WITH a AS (SELECT symbol FROM records), b AS (SELECT * FROM A) SELECT COUNT(*) FROM b",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 1) SELECT n FROM t",
        "SELECT COUNT(*) FROM records CROSS JOIN UNNEST(ARRAY[1]) AS t(x)",
        "SELECT (WITH a AS (SELECT 1 AS x) SELECT x FROM a) FROM records",
        "SELECT x FROM (VALUES (1)) AS t(x)",
        "SELECT COUNT(*) FROM awsdatacatalog.stock_data.records, LATERAL (SELECT 1) AS t",
    ):
        assert run_query(history.environment, sql, "duckdb").rows == ((1,),), sql
