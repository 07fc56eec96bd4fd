"""`stockpipe query` reads: on an endpoint with Athena, whatever is let through is done."""

from typing import Any

import pytest
from botocore.stub import Stubber
from sqlglot import exp

from analytics import HistoryError, run_query
from analytics.parsing import parse_reading
from analytics.statements import named_queries
from profiles.session import open_endpoint
from tests.support.environments import STOCKS, at, stock_names

NAMES = stock_names("000000000000")

CHANGING = (
    "drop table records",
    "-- a comment\nDROP TABLE records",
    "create table mine as select * from records",
    "insert into ticks select * from records",
    "with a as (select 1) insert into ticks select * from a",
    "select * into mine from records",
    "delete from records",
    "update records set price = 1",
    "alter table ticks add partition (day = '2026-01-05')",
    "merge into ticks using records on true when matched then delete",
    "unload (select * from records) to 's3://elsewhere/' with (format = 'JSON')",
    "msck repair table ticks",
    "vacuum ticks",
    "optimize ticks rewrite data using bin_pack",
    "prepare mine from drop table records",
    "execute mine",
    "explain analyze insert into ticks select * from records",
    "explain drop table records",
)
READING = (
    "select 1",
    "select count(*) from records; -- all of them",
    "with a as (select 1 as n) select n from a",
    "(select 1) union all (select 2)",
    "values (1), (2)",
    "show tables",
    "SHOW PARTITIONS ticks",
    "describe records",
    "explain select * from records",
    "explain analyze select * from records",
    "explain (format json) select * from records",
)


@pytest.mark.parametrize("engine", ["athena", "duckdb", None])
@pytest.mark.parametrize("sql", CHANGING)
def test_what_changes_something_is_refused_before_any_engine_sees_it(sql: str, engine: str | None) -> None:
    aws = open_endpoint("http://127.0.0.1:1")
    with Stubber(aws.athena), pytest.raises(HistoryError, match="only reads"):
        run_query(at(aws, NAMES), sql, engine)


@pytest.mark.parametrize("sql", ["select 1; drop table records", "drop table records; select 1"])
def test_nothing_hides_behind_another_statement(sql: str) -> None:
    with pytest.raises(HistoryError, match="one query at a time"):
        run_query(at(open_endpoint("http://127.0.0.1:1"), NAMES), sql, "athena")


@pytest.mark.parametrize("sql", READING)
def test_what_reads_gets_to_athena_as_it_is(sql: str) -> None:
    aws = open_endpoint("http://127.0.0.1:1")
    expected: dict[str, Any] = {
        "QueryString": sql,
        "WorkGroup": NAMES.workgroup,
        "QueryExecutionContext": {"Database": NAMES.database},
    }
    with Stubber(aws.athena) as stub:
        stub.add_client_error("start_query_execution", "InvalidRequestException", "seen", expected_params=expected)
        with pytest.raises(HistoryError, match="seen"):
            run_query(at(aws, NAMES), sql, "athena")


@pytest.mark.parametrize("name", named_queries(STOCKS))
def test_every_named_query_reads(name: str) -> None:
    sql = named_queries(STOCKS)[name].render(at(open_endpoint("http://127.0.0.1:1"), NAMES))
    assert isinstance(parse_reading(sql), exp.Query)


def test_show_is_for_athena() -> None:
    with pytest.raises(HistoryError, match="the offline engine answers queries"):
        run_query(at(open_endpoint("http://127.0.0.1:1"), NAMES), "show tables", "duckdb")
