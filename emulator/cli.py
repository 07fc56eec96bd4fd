"""`stockpipe emulator start|stop|status|logs`."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.table import Table

from emulator import lifecycle
from emulator.engine import DEFAULT_PORT, Capability, Observer, Options, Status
from emulator.engines import ENGINES, engine_named, with_capability
from emulator.state import log_path
from profiles import folders
from profiles.errors import CannotRunError
from profiles.session import BUILT_IN_ENDPOINT
from terminal import EXIT_CHECK_FAILED, JsonOption, console, errors, print_json

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

EngineName = StrEnum("EngineName", {name: name for name in ENGINES})  # type: ignore[misc]
_DEFAULT_ENGINE = EngineName(lifecycle.DEFAULT_ENGINE)


def default_port() -> int:
    """The port of AWS_ENDPOINT_URL, where that is on this machine's loopback: the one that the other commands use."""
    try:
        url = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
        port = url.port
    except ValueError:  # not a URL; the commands that use it say so
        return DEFAULT_PORT
    return port if port and url.hostname in {"localhost", "127.0.0.1", "::1"} else DEFAULT_PORT


PortOption = Annotated[
    int,
    typer.Option(
        "--port",
        min=1,
        max=65535,
        default_factory=default_port,
        show_default=f"that of AWS_ENDPOINT_URL on loopback, else {DEFAULT_PORT}",
        help="Port on 127.0.0.1. Several engines can run, one per port.",
    ),
]


@contextlib.contextmanager
def progress() -> Iterator[Observer]:
    """Show the progress: one changing line in a terminal, otherwise a line per step. Warnings stay."""
    if not errors.is_terminal:
        yield lambda text: errors.print(text, markup=False, soft_wrap=True)
        return
    with errors.status("…") as shown:

        def observe(text: str) -> None:
            if text.startswith("warning:"):
                errors.print(text, markup=False, soft_wrap=True, style="yellow")
            else:
                shown.update(text.replace("[", r"\["))

        yield observe


def _of(capability: Capability, text: str) -> str:
    """The help of an option, with the engines that have it."""
    return f"{text} (--engine {' or '.join(with_capability(capability))})."


@app.command()
def start(
    *,
    engine: Annotated[
        EngineName,
        typer.Option(
            "--engine",
            envvar="STOCKPIPE_ENGINE",
            help="Which emulator to run: " + "; ".join(f"{one.name} {one.summary}" for one in ENGINES.values()) + ".",
        ),
    ] = _DEFAULT_ENGINE,
    port: PortOption,
    enforce_iam: Annotated[
        bool,
        typer.Option(
            "--enforce-iam",
            help=_of(Capability.ENFORCE_IAM, "Deny what IAM policies don't allow, as AWS does"),
        ),
    ] = False,
    tls: Annotated[
        bool,
        typer.Option("--tls", help=_of(Capability.SERVE_TLS, "Serve https with a certificate of its own")),
    ] = False,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="Let web pages of this origin call the emulator, for example https://app.example. Repeatable.",
        ),
    ] = None,
    cloudformation: Annotated[
        bool, typer.Option("--cloudformation", help="Also offer CloudFormation, to deploy a template.")
    ] = False,
    no_function_limits: Annotated[
        bool,
        typer.Option(
            "--no-function-limits",
            help=_of(
                Capability.LIMIT_FUNCTIONS, "Don't limit functions' open files, processes and file size as AWS does"
            ),
        ),
    ] = False,
) -> None:
    """Start an emulator in the background and return when it answers.

    Its data is private to the port and gone when it stops. If it already runs with the same options, that is success.
    """
    options = Options(enforce_iam, tls, tuple(allow_origin or ()), cloudformation, not no_function_limits)
    with progress() as observer:
        running = lifecycle.start(engine.value, port, options, observer=observer)
    title = f"{engine_named(running.engine).title} {running.version}"
    how = "already runs" if running.already_running else "is ready"
    place = f"container {running.container}" if running.container else f"pid {running.pid}"
    console.print(f"{title} {how} at {running.endpoint_url} ({place})", soft_wrap=True)
    if running.endpoint_url != BUILT_IN_ENDPOINT.replace("localhost", "127.0.0.1"):
        console.print(f"Use it with: export AWS_ENDPOINT_URL={running.endpoint_url}", soft_wrap=True)
    if running.certificate_path:
        console.print(f"      and: export AWS_CA_BUNDLE={running.certificate_path}", soft_wrap=True)


@app.command()
def stop(
    *,
    port: PortOption,
    everything: Annotated[bool, typer.Option("--all", help="Stop every emulator that was started here.")] = False,
) -> None:
    """Stop an emulator: end all of its processes, remove its data, and verify both.

    Its log, the manifests of what was sent and the caches are kept. Only emulators that stockpipe started are stopped.
    """
    stopped: list[int] = []
    failed: list[str] = []
    with progress() as observer:
        for number in [entry.port for entry in lifecycle.status()] if everything else [port]:
            try:
                if lifecycle.stop(number, observer):
                    stopped.append(number)
            except CannotRunError as error:
                failed.append(str(error))
    for number in stopped:
        console.print(f"stopped the emulator on port {number}: no process and no data of it is left")
    if stopped:
        kept = [f"its log ({path})" for number in stopped if (path := log_path(number)).exists()]
        console.print(f"kept: {', '.join([*kept, folders.kept_in_words()])}", soft_wrap=True, markup=False)
    if failed:
        raise CannotRunError("; ".join(failed))
    if stopped:
        return
    if everything:
        console.print("nothing to stop")
    else:
        others = ", ".join(f"--port {entry.port}" for entry in lifecycle.status())
        hint = f". There is one at: {others} (--all stops every one)" if others else ""
        console.print(f"nothing to stop: no emulator of ours on port {port}{hint}", soft_wrap=True)


@app.command()
def status(
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=1, max=65535, help="Show only this port, also if stockpipe didn't start what answers there."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which emulators run, and what answers on a port. Exit code 1: no emulator is running."""
    entries = lifecycle.status(port)
    if port is None and default_port() not in {entry.port for entry in entries}:
        entries = sorted([*entries, *lifecycle.status(default_port())], key=lambda entry: entry.port)
    if as_json:
        print_json([dataclasses.asdict(entry) for entry in entries])
    elif entries:
        console.print(_table(entries))
        for entry in entries:
            if entry.log_path:  # on a line of its own: it is long, and there to be copied
                console.print(f"log of port {entry.port}: {entry.log_path}", markup=False, soft_wrap=True)
    else:
        where = f"on port {port}" if port else "running"
        console.print(f"no emulator {where}. Start one with: stockpipe emulator start")
    if all(entry.state in {"gone", "damaged"} for entry in entries):
        raise typer.Exit(EXIT_CHECK_FAILED)


@app.command()
def logs(
    *,
    port: PortOption,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new lines until the engine ends.")
    ] = False,
) -> None:
    """Print what the emulator on a port has logged, also after it has stopped."""
    with contextlib.suppress(KeyboardInterrupt):
        for line in lifecycle.logs(port, follow=follow):
            typer.echo(line)


def _table(entries: list[Status]) -> Table:
    meaning = {
        "running": "[green]running[/]",
        "starting": "[yellow]starting[/]",
        "gone": "[red]ended by itself[/] (see its log)",
        "damaged": "[red]its record can't be read[/] (stop removes it)",
        "foreign": "[yellow]answers[/], not started by stockpipe",
    }
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("port", "engine", "state", "endpoint", "pid"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"port", "endpoint", "pid"})
    for entry in entries:
        table.add_row(
            str(entry.port),
            f"{entry.engine} {entry.version}".strip(),
            meaning[entry.state],
            entry.endpoint_url,
            str(entry.pid or ""),
        )
    return table
