"""The SQL files of `pipeline/sql/`: table definitions (`create_*.sql`) and named queries (all others).

They are written in Athena's dialect. Placeholders are `${name}`:

- `${database}`, `${bucket}`: the environment's;
- `${table}` in a named query: the table it reads. The header line `-- Reads: records` names the one it reads unless
  another is asked for, so the same query runs on `records` and on the compacted `ticks`.

A file's first comment line says what it answers.
"""

import difflib
import re
from dataclasses import dataclass
from importlib.resources import files

import sqlglot
from sqlglot import exp

from analytics.result import HistoryError
from profiles.names import Names

TABLES = ("records", "record_details", "ticks")

_DEFINITIONS = {
    "records": "create_table.sql",
    "record_details": "create_record_details.sql",
    "ticks": "create_ticks.sql",
}
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_READS = re.compile(r"^-- Reads: (\w+)$", re.MULTILINE)
_FOLDER = files("pipeline").joinpath("sql")


@dataclass(frozen=True)
class NamedQuery:
    """A query of `pipeline/sql/`: its name is the file's, `answers` its first comment line, `reads` its table."""

    name: str
    answers: str
    reads: str
    text: str

    def render(self, names: Names, table: str | None = None) -> str:
        """The SQL for one environment, on the table it reads by itself or on another with the same columns."""
        return substitute(self.text, database=names.database, table=table or self.reads)


@dataclass(frozen=True)
class Table:
    """An external table as its DDL declares it: columns in order as (lower-case name, DuckDB type), partition columns
    among them last; `bucket` and `prefix` of its location; whether malformed JSON lines are rows of NULLs."""

    name: str
    columns: tuple[tuple[str, str], ...]
    partitions: tuple[str, ...]
    bucket: str
    prefix: str
    ignore_malformed: bool
    is_parquet: bool


def named_queries() -> dict[str, NamedQuery]:
    """All named queries by name, in alphabetical order."""
    found = {}
    for file in sorted(_FOLDER.iterdir(), key=lambda entry: entry.name):
        name, _, suffix = file.name.rpartition(".")
        if suffix == "sql" and not name.startswith("create_"):
            found[name] = _read(name, file.read_text(encoding="utf-8"))
    return found


def find_query(name: str) -> NamedQuery:
    """The named query; `HistoryError` with suggestions where there is none of that name."""
    known = named_queries()
    wanted = name.replace("-", "_").lower()
    if wanted in known:
        return known[wanted]
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    raise HistoryError(
        f"there is no named query {name!r}. "
        + (f"Did you mean {' or '.join(close)}? " if close else "")
        + f"Known: {', '.join(known)}. For SQL of your own: --sql or --file"
    )


def fill_in(sql: str, names: Names, table: str | None = None) -> str:
    """SQL of a user's own, with its placeholders replaced."""
    return substitute(sql, database=names.database, bucket=names.bucket, table=table or "records")


def substitute(sql: str, **values: str) -> str:
    """Replace `${name}`; any other `$` stays as it is (`"$path"`, a regular expression's end)."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), sql)


def create_table(names: Names, table: str) -> str:
    """The DDL of one of `TABLES`."""
    return substitute(_file(_DEFINITIONS[table]), database=names.database, bucket=names.bucket)


def table_of(names: Names, name: str) -> Table:
    """What the DDL of a table says, for the engine that has no catalogue."""
    ddl = sqlglot.parse_one(create_table(names, name), read="athena")
    partitioned = ddl.find(exp.PartitionedByProperty)
    partitions = _columns(partitioned.this) if partitioned else ()
    serde = ddl.find(exp.SerdeProperties)
    settings = {setting.name: setting.args["value"].name for setting in serde.expressions} if serde else {}
    location = ddl.find(exp.LocationProperty)
    if location is None:
        raise ValueError(f"{_DEFINITIONS[name]} has no LOCATION")
    bucket, _, prefix = location.name.removeprefix("s3://").partition("/")
    return Table(
        name=name,
        columns=_columns(ddl.this) + partitions,
        partitions=tuple(column for column, _ in partitions),
        bucket=bucket,
        prefix=prefix,
        ignore_malformed=settings.get("ignore.malformed.json", "false").lower() == "true",
        is_parquet=ddl.find(exp.FileFormatProperty) is not None,
    )


def _columns(schema: exp.Expr) -> tuple[tuple[str, str], ...]:
    return tuple((column.name.lower(), column.args["kind"].sql(dialect="duckdb")) for column in schema.expressions)


def _read(name: str, text: str) -> NamedQuery:
    reads = _READS.search(text)
    if reads is None or reads[1] not in TABLES:
        raise ValueError(f"{name}.sql has no header line '-- Reads: <table>' with one of {', '.join(TABLES)}")
    return NamedQuery(name=name, answers=text.splitlines()[0].removeprefix("-- "), reads=reads[1], text=text)


def _file(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")
