"""`stockpipe query` and `stockpipe compact`."""

import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.types import ExistingFile
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analytics import chart, compaction, history, limits, render, statements
from analytics.result import HistoryError, Result
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.pipeline import load
from terminal import console, errors, note, print_json, progress
from terminal.commands import Json, number
from terminal.environment import HERE, Where
from terminal.untrusted import one_line, printable

Format = Literal["table", "csv", "json", "parquet"]
Engine = Literal["athena", "duckdb"]
EngineOption = Annotated[
    Engine | None, Parameter(name="--engine", help="Default: Athena where the endpoint has it, else DuckDB.")
]
TimeLimit = Annotated[
    int | None,
    number(least=1, most=limits.HIGHEST),
    Parameter(
        help="Stop the query on DuckDB after this many seconds. "
        f"Default: {limits.SECONDS}, or {limits.SECONDS_VARIABLE}."
    ),
]
MemoryLimit = Annotated[
    int | None,
    number(least=1, most=limits.HIGHEST),
    Parameter(
        help="Memory limit of DuckDB in MiB, and the same limit again for the rows of the result. "
        f"Default: {limits.MEMORY_MIB}, or {limits.MEMORY_VARIABLE}."
    ),
]
KEPT_SHOWN = 20


def query(
    name: Annotated[str | None, Parameter(name="NAME")] = None,
    /,
    *,
    where: Where = HERE,
    sql: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    file: ExistingFile | None = None,
    listed: Annotated[bool, Parameter(name="--list")] = False,
    table: str | None = None,
    output_format: Annotated[Format, Parameter(name="--format")] = "table",
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    chart: bool = False,
    engine: EngineOption = None,
    time_limit: TimeLimit = None,
    memory_limit: MemoryLimit = None,
) -> None:
    """Query the stored records in SQL: on Athena, or offline over the same objects.

    For example:

        stockpipe query --list
        stockpipe query --sql "SELECT COUNT(*) FROM records" --format csv --output rows.csv

    Args:
        name: A named query; --list shows them.
        sql: Run this SQL, in Athena's dialect.
        file: Run the SQL in this file.
        listed: List the named queries.
        table: Run the named query on this table, such as the compacted one.
        output_format: How to print the rows.
        output: Write to this file, not the terminal.
        chart: Draw the last column of numbers as well.
    """
    if listed:
        listing = Table("query", "answers", "reads")
        for one in statements.named_queries(load(where.pipeline)).values():
            listing.add_row(one.name, one.answers, one.reads)
        console.print(listing)
        return
    if sum(given is not None for given in (name, sql, file)) != 1:
        raise CannotRunError("give one of: the name of a query, --sql, --file (or --list)")
    limit = limits.Limits.chosen(time_limit, memory_limit)
    try:
        text = file.read_text(encoding="utf-8") if file else sql or ""
    except (OSError, ValueError) as error:
        raise HistoryError(f"--file {one_line(str(file), 200)} can't be read as text: {error}") from error
    environment = where.open()
    if name is None:
        asked = statements.fill_in(text, environment, table)
        if len(asked.split()) < 2:
            raise HistoryError(f"{asked[:50]!r} isn't a query: give a SELECT")
    elif len(name.split()) > 1:
        raise CannotRunError("that looks like SQL: give it with --sql")
    else:
        asked = name
    said: list[str] = []  # which engine answered is said with its answer, not before an error
    with progress("Asking …", every=math.inf) as observe:
        result = history.run_query(
            environment,
            asked,
            engine,
            table=table if name else None,
            limit=limit,
            progress=observe,
            announce=said.append,
        )
    if output_format == "table" and output is None:
        console.print(render.as_table(result))
    else:
        _write(result, output_format, output)
    if chart:
        _draw(result, environment, console if output_format == "table" else errors)
    cost = f", {result.scanned_bytes:,} bytes scanned, ${result.cost_dollars:.5f}" if result.engine == "athena" else ""
    rows = "1 row" if len(result.rows) == 1 else f"{len(result.rows):,} rows"
    errors.print(f"[dim]{rows} from {result.engine} in {result.seconds:.2f} s{cost}[/]", soft_wrap=True)
    for text in (*result.notes, *said):
        note(text)


def compact(
    *, where: Where = HERE, delete_compacted: bool = False, engine: EngineOption = None, as_json: Json = False
) -> bool:
    """Copy the records of many small JSON objects to one Parquet file per day and group: the compacted table.

    You can interrupt and repeat it at any time: no record is lost or duplicated. Exit code 1: --delete-compacted
    kept some objects, because the compacted table does not have everything that is in them.

    Args:
        delete_compacted: Then delete JSON objects that are verified to be in the compacted table.
    """
    environment = where.open()
    with progress("Compacting …", every=math.inf) as observe:
        done = history.run_compaction(
            environment, engine, delete_compacted=delete_compacted, progress=observe, announce=note
        )
    kept, plural = done.objects_kept, environment.contract.plural
    if as_json:
        print_json({f"{plural}_{name}" if name == "added" else name: value for name, value in asdict(done).items()})
    else:
        table = compaction.table_of(environment).name
        console.print(f"{done.added:,} {plural} added to table {table}, {done.partitions_written:,} partitions written")
        if delete_compacted:
            console.print(f"{done.objects_deleted:,} JSON objects deleted, {len(kept):,} kept")
        for one in kept[:KEPT_SHOWN]:
            note(one_line(f"kept {one.key}: {one.reason}", 2000))
        if len(kept) > KEPT_SHOWN:
            note(f"… and {len(kept) - KEPT_SHOWN:,} more; --json lists all of them")
    return not kept


def _draw(result: Result, environment: Environment, where: Console) -> None:
    """The rows are the answer: where they can't be drawn, that is a remark and no failure."""
    try:
        group, width = environment.contract.record.GROUP, min(console.width, 120)
        drawn = chart.as_chart(result, group=group, width=width, colour=console.is_terminal)
    except HistoryError as error:
        note(str(error))
        return
    where.print(Text.from_ansi(drawn), soft_wrap=True)


def _write(result: Result, output_format: str, output: Path | None) -> None:
    if output_format == "parquet":
        content = render.as_parquet(result)
        if output is None and sys.stdout.isatty():
            raise HistoryError("Parquet is not for a terminal: add --output result.parquet, or redirect")
    elif output_format == "table":
        raise HistoryError("a table is for the terminal: for a file choose --format csv, json or parquet")
    else:
        text = (render.as_csv if output_format == "csv" else render.as_json)(result)
        if output is None and sys.stdout.isatty():
            text = printable(text)
        content = text.encode(errors="backslashreplace")
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise HistoryError(f"{output} can't be written: {error}") from error
