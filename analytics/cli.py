"""`stockpipe query` and `stockpipe compact`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analytics import chart, compaction, history, limits, render, statements
from analytics.result import HistoryError, Result
from profiles.environment import Environment
from profiles.pipeline import load
from terminal import (
    DEFAULT_PROFILE,
    EXIT_CHECK_FAILED,
    BucketOption,
    JsonOption,
    PrefixOption,
    ProfileOption,
    console,
    errors,
    open_environment,
    print_json,
)
from terminal.untrusted import one_line, printable

app = typer.Typer()

Format = Literal["table", "csv", "json", "parquet"]
Engine = Literal["athena", "duckdb"]
KEPT_SHOWN = 20


@app.command()
def query(
    *,
    name: Annotated[str | None, typer.Argument(help="A named query; --list shows them.", show_default=False)] = None,
    sql: Annotated[str | None, typer.Option("--sql", help="Run this SQL, in Athena's dialect.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Run the SQL in this file.", exists=True, dir_okay=False)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the named queries.")] = False,
    table: Annotated[
        str | None, typer.Option("--table", help="Run the named query on this table, such as the compacted one.")
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="How to print the rows.")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file, not the terminal.")] = None,
    chart: Annotated[bool, typer.Option("--chart", help="Draw the last column of numbers as well.")] = False,
    engine: Annotated[
        Engine | None, typer.Option("--engine", help="Default: Athena where the endpoint has it, else DuckDB.")
    ] = None,
    time_limit: Annotated[
        int | None,
        typer.Option(
            "--time-limit",
            metavar="SECONDS",
            min=1,
            max=limits.HIGHEST,
            help=f"Stop the query on DuckDB after this time. Default: {limits.SECONDS}, or {limits.SECONDS_VARIABLE}.",
            show_default=False,
        ),
    ] = None,
    memory_limit: Annotated[
        int | None,
        typer.Option(
            "--memory-limit",
            metavar="MIB",
            min=1,
            max=limits.HIGHEST,
            help="Memory limit of DuckDB, and the same limit again for the rows of the result. "
            f"Default: {limits.MEMORY_MIB}, or {limits.MEMORY_VARIABLE}.",
            show_default=False,
        ),
    ] = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
) -> None:
    """Query the stored records in SQL: on Athena, or offline over the same objects."""
    if listed:
        _list_queries()
        return
    if sum(given is not None for given in (name, sql, file)) != 1:
        raise typer.BadParameter("give one of: the name of a query, --sql, --file (or --list)")
    limit = limits.Limits.chosen(time_limit, memory_limit)
    text = _read(file) if file else sql or ""
    environment = open_environment(profile, prefix, bucket)
    if name is None:
        asked = statements.fill_in(text, environment, table)
        if len(asked.split()) < 2:
            raise HistoryError(f"{asked[:50]!r} isn't a query: give a SELECT")
    elif len(name.split()) > 1:
        raise typer.BadParameter("that looks like SQL: give it with --sql")
    else:
        asked = name
    said: list[str] = []  # which engine answered is said with its answer, not before an error
    with errors.status("Asking …") as status:
        result = history.run_query(
            environment,
            asked,
            engine,
            table=table if name else None,
            limit=limit,
            progress=lambda text: status.update(Text(text)),
            announce=said.append,
        )
    _show(result, output_format, output)
    if chart:
        _draw(result, environment, console if output_format == "table" else errors)
    _account_for(result)
    for text in said:
        _announce(text)


@app.command()
def compact(
    *,
    delete_compacted: Annotated[
        bool,
        typer.Option(
            "--delete-compacted", help="Then delete JSON objects that are verified to be in the compacted table."
        ),
    ] = False,
    engine: Annotated[
        Engine | None, typer.Option("--engine", help="Default: Athena where the endpoint has it, else DuckDB.")
    ] = None,
    as_json: JsonOption = False,
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
) -> None:
    """Copy the records of many small JSON objects to one Parquet file per day and group: the compacted table.

    You can interrupt and repeat it at any time: no record is lost or duplicated. Exit code 1: --delete-compacted
    kept some objects, because the compacted table does not have everything that is in them.
    """
    environment = open_environment(profile, prefix, bucket)
    with errors.status("Compacting …") as status:
        done = history.run_compaction(
            environment,
            engine,
            delete_compacted=delete_compacted,
            progress=lambda text: status.update(Text(text)),
            announce=_announce,
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
            _announce(one_line(f"kept {one.key}: {one.reason}", 2000))
        if len(kept) > KEPT_SHOWN:
            _announce(f"… and {len(kept) - KEPT_SHOWN:,} more; --json lists all of them")
    if kept:
        raise typer.Exit(EXIT_CHECK_FAILED)


def _announce(text: str) -> None:
    errors.print(text, markup=False, soft_wrap=True)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise HistoryError(f"--file {one_line(str(file), 200)} can't be read as text: {error}") from error


def _list_queries() -> None:
    listing = Table("query", "answers", "reads")
    for one in statements.named_queries(load()).values():
        listing.add_row(one.name, one.answers, one.reads)
    console.print(listing)


def _show(result: Result, output_format: str, output: Path | None) -> None:
    if output_format == "table" and output is None:
        console.print(render.as_table(result))
    else:
        _write(result, output_format, output)


def _account_for(result: Result) -> None:
    cost = f", {result.scanned_bytes:,} bytes scanned, ${result.cost_dollars:.5f}" if result.engine == "athena" else ""
    rows = "1 row" if len(result.rows) == 1 else f"{len(result.rows):,} rows"
    errors.print(f"[dim]{rows} from {result.engine} in {result.seconds:.2f} s{cost}[/]", soft_wrap=True)
    for note in result.notes:
        _announce(note)


def _draw(result: Result, environment: Environment, where: Console) -> None:
    """The rows are the answer: where they can't be drawn, that is a remark and no failure."""
    try:
        drawn = chart.as_chart(
            result,
            group=environment.contract.record.GROUP,
            width=min(console.width, 120),
            colour=console.is_terminal,
        )
    except HistoryError as error:
        _announce(str(error))
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
