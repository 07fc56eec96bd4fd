"""Which engine answers, and the one function that other rooms call."""

from collections.abc import Callable

from botocore.exceptions import ClientError

from analytics import athena, offline, statements
from analytics.compact_athena import AthenaCompactor
from analytics.compact_offline import OfflineCompactor
from analytics.compaction import Compaction, Engine, compact
from analytics.result import HistoryError, Result
from profiles.availability import is_missing_service
from profiles.names import Names
from profiles.session import Aws

ENGINES = ("athena", "duckdb")

Progress = Callable[[str], None]


def run_query(
    aws: Aws,
    names: Names,
    name_or_sql: str,
    engine: str | None = None,
    *,
    table: str | None = None,
    progress: Progress = lambda _: None,
    announce: Progress | None = None,
) -> Result:
    """Run a named query, or SQL in Athena's dialect: whatever is more than one word is SQL.

    `engine` is `athena`, `duckdb`, or None: Athena where the endpoint has it. `table` runs a named query on another
    table than its own (`ticks`). `progress` is given what happens at the moment, `announce` (default: the same) what
    should stay on the screen. Raises `HistoryError`.
    """
    is_sql = len(name_or_sql.split()) > 1
    if is_sql:
        sql = name_or_sql
    else:
        query = statements.find_query(name_or_sql)
        if table is not None and table not in statements.TABLES:
            raise HistoryError(f"there is no table {table!r}; there are {', '.join(statements.TABLES)}")
        sql = query.render(names, table)
    engine = engine or choose_engine(aws, names, announce or progress)
    if engine not in ENGINES:
        raise HistoryError(f"there is no engine {engine!r}; there are {' and '.join(ENGINES)}")
    runner = athena.run if engine == "athena" else offline.run
    return runner(aws, names, sql, progress=progress)


def run_compaction(
    aws: Aws,
    names: Names,
    engine: str | None = None,
    *,
    delete_compacted: bool = False,
    progress: Progress = lambda _: None,
    announce: Progress | None = None,
) -> Compaction:
    """Bring table `ticks` up to date; the parameters are those of `run_query`. Safe to interrupt and to repeat."""
    engine = engine or choose_engine(aws, names, announce or progress)
    worker: Engine = (
        AthenaCompactor(aws, names, progress) if engine == "athena" else OfflineCompactor(aws, names, progress)
    )
    return compact(aws, names, worker, delete_compacted=delete_compacted, progress=progress)


def choose_engine(aws: Aws, names: Names, announce: Progress = lambda _: None) -> str:
    """`athena` where the endpoint has it, otherwise `duckdb`: the endpoint is asked, nothing is assumed about it."""
    try:
        athena.check_workgroup(aws, names)
    except ClientError as error:
        if not is_missing_service(error):
            raise
        announce("This endpoint has no Athena: the same SQL runs offline, on DuckDB over the same objects.")
        return "duckdb"
    return "athena"
