"""Start, stop and look at an AWS emulator on this machine: loopback only, and no account.

The first start of an engine sets it up, once.
"""

import dataclasses
import os
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter
from rich.table import Table

from emulator import lifecycle
from emulator.engine import DEFAULT_PORT, Capability, Options, Status
from emulator.engines import ENGINES, engine_named, with_capability
from emulator.state import log_path
from profiles import folders
from profiles.errors import CannotRunError
from profiles.session import BUILT_IN_ENDPOINT
from terminal import console, print_json, progress, say, write
from terminal.commands import Json, command_line, number, option

app = command_line("emulator", __doc__)
_SUMMARIES = "; ".join(f"{one.name} {one.summary}" for one in ENGINES.values())


def default_port() -> int:
    """The port of AWS_ENDPOINT_URL, where that is on this machine's loopback: the one that the other commands use."""
    try:
        url = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
        port = url.port
    except ValueError:  # not a URL; the commands that use it say so
        return DEFAULT_PORT
    return port if port and url.hostname in {"localhost", "127.0.0.1", "::1"} else DEFAULT_PORT


PortNumber = Annotated[int | None, number(least=1, most=65535)]
Port = Annotated[
    PortNumber,
    Parameter(
        show_default=f"that of AWS_ENDPOINT_URL on loopback, else {DEFAULT_PORT}",
        help="Port on 127.0.0.1. Several engines can run, one per port.",
    ),
]


def _flag(capability: Capability, text: str) -> Parameter:
    """An option, with the engines that have it."""
    return Parameter(help=f"{text} (--engine {' or '.join(with_capability(capability))}).")


IamFlag = _flag(Capability.ENFORCE_IAM, "Deny what IAM policies don't allow, as AWS does")
TlsFlag = _flag(Capability.SERVE_TLS, "Serve https with a certificate of its own")
LimitsFlag = _flag(Capability.LIMIT_FUNCTIONS, "Don't limit functions' open files, processes and file size as AWS does")


@app.command
def start(
    *,
    engine: Annotated[
        str, option("--engine", choices=tuple(ENGINES), help=f"Which emulator to run: {_SUMMARIES}.")
    ] = lifecycle.DEFAULT_ENGINE,
    port: Port = None,
    enforce_iam: Annotated[bool, IamFlag] = False,
    tls: Annotated[bool, TlsFlag] = False,
    allow_origin: list[str] | None = None,
    cloudformation: bool = False,
    no_function_limits: Annotated[bool, LimitsFlag] = False,
) -> None:
    """Start an emulator in the background and return when it answers.

    Its data is private to the port and gone when it stops. If it already runs with the same options, that is success.

    Args:
        allow_origin: Let web pages of this origin call it, for example https://app.example. Repeatable.
        cloudformation: Also offer CloudFormation, to deploy a template.
    """
    options = Options(enforce_iam, tls, tuple(allow_origin or ()), cloudformation, not no_function_limits)
    with progress() as observer:
        running = lifecycle.start(engine, port or default_port(), options, observer=observer)
    title = f"{engine_named(running.engine).title} {running.version}"
    how = "already runs" if running.already_running else "is ready"
    place = f"container {running.container}" if running.container else f"pid {running.pid}"
    say(f"{title} {how} at {running.endpoint_url} ({place})")
    if running.endpoint_url != BUILT_IN_ENDPOINT.replace("localhost", "127.0.0.1"):
        say(f"Use it with: export AWS_ENDPOINT_URL={running.endpoint_url}")
    if running.certificate_path:
        say(f"      and: export AWS_CA_BUNDLE={running.certificate_path}")


@app.command
def stop(*, port: Port = None, everything: Annotated[bool, Parameter(name="--all")] = False) -> None:
    """Stop an emulator: end all of its processes, remove its data, and verify both.

    Its log, the manifests of what was sent and the caches are kept. Only emulators that stockpipe started are stopped.

    Args:
        everything: Stop every emulator that was started here.
    """
    port = port or default_port()
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
        say(f"kept: {', '.join([*kept, folders.kept_in_words()])}")
    if failed:
        raise CannotRunError("; ".join(failed))
    if stopped:
        return
    if everything:
        console.print("nothing to stop")
    else:
        others = ", ".join(f"--port {entry.port}" for entry in lifecycle.status())
        hint = f". There is one at: {others} (--all stops every one)" if others else ""
        say(f"nothing to stop: no emulator of ours on port {port}{hint}")


@app.command
def status(*, port: PortNumber = None, as_json: Json = False) -> bool:
    """Show which emulators run, and what answers on a port. Exit code 1: no emulator is running.

    Args:
        port: Show only this port, also if stockpipe didn't start what answers there.
    """
    entries = lifecycle.status(port)
    if port is None and default_port() not in {entry.port for entry in entries}:
        entries = sorted([*entries, *lifecycle.status(default_port())], key=lambda entry: entry.port)
    if as_json:
        print_json([dataclasses.asdict(entry) for entry in entries])
    elif entries:
        console.print(_table(entries))
        for entry in entries:
            if entry.log_path:  # on a line of its own: it is long, and there to be copied
                say(f"log of port {entry.port}: {entry.log_path}")
    else:
        where = f"on port {port}" if port else "running"
        console.print(f"no emulator {where}. Start one with: stockpipe emulator start")
    return any(entry.state not in {"gone", "damaged"} for entry in entries)


@app.command
def logs(*, port: Port = None, follow: Annotated[bool, Parameter(name=("--follow", "-f"))] = False) -> None:
    """Print what the emulator on a port has logged, also after it has stopped.

    Args:
        follow: Keep printing new lines until the engine ends.
    """
    with suppress(KeyboardInterrupt):
        for line in lifecycle.logs(port or default_port(), follow=follow):
            write(line)


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
