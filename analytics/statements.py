"""The named queries of a pipeline: the files of its folder `sql` other than `create_*.sql`.

They are written in Athena's dialect. A query has the placeholders `${database}` and `${table}`, the table that it
reads. The header line `-- Reads: records` names the table, unless another is asked for: so the same query runs on the
JSON objects and on the compacted table. A file's first comment line says what it answers. `stockpipe demo` runs those
with the header line `-- Demo: table` or `-- Demo: chart`.
"""

import difflib
import re
from dataclasses import dataclass

from analytics.result import HistoryError
from analytics.tables import tables
from profiles.environment import Environment
from profiles.pipeline import Pipeline

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_READS = re.compile(r"^-- Reads: (\w+)$", re.MULTILINE)
_DEMO = re.compile(r"^-- Demo: (table|chart)$", re.MULTILINE)


@dataclass(frozen=True)
class NamedQuery:
    """A query of the pipeline: its name is the file's, `answers` its first comment line, `reads` its table.

    `demo`: how the demo shows its rows, as a `table` or as a `chart`; empty if it doesn't.
    """

    name: str
    answers: str
    reads: str
    text: str
    demo: str = ""

    def render(self, environment: Environment, table: str | None = None) -> str:
        """The SQL for one environment, on the table it reads by itself or on another with the same columns."""
        return fill_in(self.text, environment, table or self.reads)


def named_queries(pipeline: Pipeline) -> dict[str, NamedQuery]:
    """All named queries by name, in alphabetical order. Raises `HistoryError` if one has no header `Reads`."""
    files = (file for file in pipeline.sql.glob("*.sql") if not file.name.startswith("create_"))
    return {file.stem: _read(file.stem, file.read_text(encoding="utf-8")) for file in sorted(files)}


def find_query(pipeline: Pipeline, name: str) -> NamedQuery:
    """The named query; `HistoryError` with suggestions where there is none of that name."""
    known = named_queries(pipeline)
    wanted = name.replace("-", "_").lower()
    if wanted in known:
        return known[wanted]
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    raise HistoryError(
        f"there is no named query {name!r}. "
        + (f"Did you mean {' or '.join(close)}? " if close else "")
        + f"Known: {', '.join(known)}. For SQL of your own: --sql or --file"
    )


def fill_in(sql: str, environment: Environment, table: str | None = None) -> str:
    """SQL with its placeholders replaced: `${database}`, `${bucket}`, `${table}` (default: the plainest one).

    Raises `HistoryError` if there is no such table.
    """
    names, known = environment.names, list(tables(environment))
    if table and table not in known:
        raise HistoryError(f"there is no table {table!r}; there are {', '.join(known)}")
    return substitute(sql, database=names.database, bucket=names.bucket, table=table or known[0])


def substitute(sql: str, **values: str) -> str:
    """Replace `${name}`; any other `$` stays as it is (`"$path"`, a regular expression's end)."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), sql)


def _read(name: str, text: str) -> NamedQuery:
    reads = _READS.search(text)
    if reads is None:
        raise HistoryError(f"{name}.sql has no header line '-- Reads: <table>'")
    demo = _DEMO.search(text)
    answers = text.splitlines()[0].removeprefix("-- ")
    return NamedQuery(name=name, answers=answers, reads=reads[1], text=text, demo=demo[1] if demo else "")
