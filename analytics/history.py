"""Chooses the engine, and runs queries and compaction on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from analytics import athena, offline, statements
from analytics.compact_athena import AthenaCompactor
from analytics.compact_offline import OfflineCompactor
from analytics.compaction import Compaction, compact, table_of
from analytics.limits import Limits
from analytics.parsing import parse_reading
from analytics.result import HistoryError, Progress, Result
from profiles.availability import is_missing_service
from profiles.environment import Environment

ENGINES = ("athena", "duckdb")


def run_query(
    environment: Environment,
    name_or_sql: str,
    engine: str | None = None,
    *,
    table: str | None = None,
    limit: Limits | None = None,
    progress: Progress = lambda _: None,
    announce: Progress | None = None,
) -> Result:
    """Run a named query, or SQL in Athena's dialect: a text of more than one word is SQL.

    `engine` is `athena`, `duckdb`, or None: Athena where the endpoint has it. `table` runs a named query on another
    table than its own. `limit` is for the offline engine; the default comes from environment variables.
    `progress` is given what happens at the moment, `announce` (default: the same) what should stay on the screen.
    Only statements that read are run. Raises `HistoryError`.
    """
    is_sql = len(name_or_sql.split()) > 1
    if is_sql:
        parse_reading(name_or_sql)
        sql = name_or_sql
    else:
        sql = statements.find_query(environment.pipeline, name_or_sql).render(environment, table)
    engine = engine or choose_engine(environment, announce or progress)
    if engine not in ENGINES:
        raise HistoryError(f"there is no engine {engine!r}; there are {' and '.join(ENGINES)}")
    if engine == "duckdb":
        return offline.run(environment, sql, limit=limit, progress=progress)
    with _naming_the_other_engine():
        return athena.run(environment, sql, progress=progress)


def run_compaction(
    environment: Environment,
    engine: str | None = None,
    *,
    delete_compacted: bool = False,
    progress: Progress = lambda _: None,
    announce: Progress | None = None,
) -> Compaction:
    """Bring the compacted table up to date; parameters as those of `run_query`. Safe to interrupt and to repeat."""
    table_of(environment)  # a pipeline without one is refused before any engine is asked
    engine = engine or choose_engine(environment, announce or progress)
    if engine == "duckdb":
        return compact(OfflineCompactor(environment, progress), delete_compacted=delete_compacted)
    with _naming_the_other_engine():
        return compact(AthenaCompactor(environment, progress), delete_compacted=delete_compacted)


@contextmanager
def _naming_the_other_engine() -> Iterator[None]:
    """Add a hint to errors: an emulator's Athena may lack a function that the offline engine has."""
    try:
        yield
    except HistoryError as error:
        raise HistoryError(f"{error}. To run it offline instead: --engine duckdb") from error


def choose_engine(environment: Environment, announce: Progress = lambda _: None) -> str:
    """`athena` if the endpoint has it, otherwise `duckdb`. Asks the endpoint."""
    try:
        athena.check_workgroup(environment)
    except ClientError as error:
        if not is_missing_service(error):
            raise
        announce("This endpoint has no Athena: the same SQL runs offline, on DuckDB over the same objects.")
        return "duckdb"
    return "athena"
