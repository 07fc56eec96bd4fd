"""Start, stop and look at an AWS emulator on this machine: no Docker, no account, loopback only.

`localstack` is the reference (it needs a Python 3.13, found or fetched). `ministack` starts in half a second, needs
nothing but Python, and can enforce IAM. `compose` is LocalStack in a container, for those who have Docker. The first
start of an engine sets it up, once.
"""

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter
from rich.table import Table

from emulator import compose, engines, lifecycle
from emulator.engines import ENGINES, engine_named
from emulator.guard.rules import is_origin
from emulator.state import log_path
from profiles import folders
from profiles.errors import CannotRunError
from profiles.session import BUILT_IN_ENDPOINT
from terminal import console, print_json, progress, say, write
from terminal.commands import Json, command_line, number, option

app = command_line("emulator", __doc__)


def default_port() -> int:
    """The port of AWS_ENDPOINT_URL, where that is on this machine's loopback: the one that the other commands use."""
    try:
        url = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
        port = url.port
    except ValueError:  # not a URL; the commands that use it say so
        return lifecycle.DEFAULT_PORT
    return port if port and url.hostname in {"localhost", "127.0.0.1", "::1"} else lifecycle.DEFAULT_PORT


Port = Annotated[
    int | None,
    number(least=1, most=65535),
    Parameter(
        show_default=f"that of AWS_ENDPOINT_URL on loopback, else {lifecycle.DEFAULT_PORT}",
        help="Port on 127.0.0.1. Several engines can run, one per port.",
    ),
]


@app.command
def start(
    *,
    engine: Annotated[str, option("--engine", choices=(*ENGINES, compose.NAME))] = lifecycle.DEFAULT_ENGINE,
    port: Port = None,
    enforce_iam: bool = False,
    tls: bool = False,
    allow_origin: list[str] | None = None,
    cloudformation: bool = False,
    no_function_limits: bool = False,
) -> None:
    """Start an emulator in the background and return when it answers.

    Its data is private to the port and gone when it stops. If it already runs, that is fine.

    Args:
        engine: Which emulator to run.
        enforce_iam: Deny what IAM policies don't allow, as AWS does (ministack only).
        tls: Serve https with a certificate of its own (ministack only).
        allow_origin: Let web pages of this origin call it, for example https://app.example. Repeatable.
        cloudformation: LocalStack: also offer CloudFormation, to deploy a template.
        no_function_limits: LocalStack: set functions no limit of open files, processes and file size, as AWS does.
    """
    port = port or default_port()
    for origin in allow_origin or ():
        if not is_origin(origin):
            raise CannotRunError(f"not an origin: {origin!r}. Give scheme and host, as in https://app.example:8443")
    options = engines.options(
        allowed_origins=allow_origin or (), cloudformation=cloudformation, function_limits=not no_function_limits
    )
    if engine == compose.NAME:
        _start_container(port, options, enforce_iam=enforce_iam, tls=tls)
        return
    with progress() as observer:
        running = lifecycle.start(
            engine,
            port,
            enforce_iam=enforce_iam,
            use_tls=tls,
            extra_environment=options,
            observer=observer,
        )
    title = engine_named(running.engine).full_title
    how = "already runs" if running.already_running else "is ready"
    say(f"{title} {how} at {running.endpoint_url} (pid {running.pid})")
    _show_how_to_use(running.endpoint_url)
    if running.certificate_path:
        say(f"      and: export AWS_CA_BUNDLE={running.certificate_path}")


def _start_container(port: int, options: Mapping[str, str], *, enforce_iam: bool, tls: bool) -> None:
    if enforce_iam or tls:
        raise CannotRunError("LocalStack never enforces IAM and has no TLS here: use --engine ministack")
    with progress() as observer:
        stack = compose.start(port, options, observer)
    console.print(
        f"{compose.TITLE} {stack.version} is ready at {stack.endpoint_url} (container {stack.container})",
        soft_wrap=True,
    )
    _show_how_to_use(stack.endpoint_url)


def _show_how_to_use(endpoint_url: str) -> None:
    if endpoint_url != BUILT_IN_ENDPOINT.replace("localhost", "127.0.0.1"):
        say(f"Use it with: export AWS_ENDPOINT_URL={endpoint_url}")


@app.command
def stop(*, port: Port = None, everything: Annotated[bool, Parameter(name="--all")] = False) -> None:
    """Stop an emulator: end all of its processes, remove its data, and verify both.

    Its log, the manifests of what was sent and the caches are kept. Only emulators that stockpipe started are stopped.

    Args:
        everything: Stop every emulator that was started here.
    """
    port = port or default_port()
    ports = _ports_in_use() if everything else [port]
    stopped: list[int] = []
    kept: list[str] = []
    failed: list[str] = []
    with progress() as observer:
        for number in ports:
            try:
                if lifecycle.stop(number, observer):
                    stopped.append(number)
                    kept.append(f"its log ({log_path(number)})")
                elif compose.stop(number, observer):
                    stopped.append(number)
            except CannotRunError as error:
                failed.append(str(error))
    for number in stopped:
        console.print(f"stopped the emulator on port {number}: no process and no data of it is left")
    if stopped:
        say(f"kept: {', '.join([*kept, folders.kept_in_words()])}")
    if failed:
        raise CannotRunError("; ".join(failed))
    if stopped:
        return
    if everything:
        console.print("nothing to stop")
    else:
        others = ", ".join(f"--port {number}" for number in _ports_in_use())
        hint = f". There is one at: {others} (--all stops every one)" if others else ""
        say(f"nothing to stop: no emulator of ours on port {port}{hint}")


def _ports_in_use() -> list[int]:
    return [*(entry.port for entry in lifecycle.status()), *(stack.port for stack in compose.stacks())]


@app.command
def status(*, port: Annotated[int | None, number(least=1, most=65535)] = None, as_json: Json = False) -> bool:
    """Show which emulators run, and what answers on a port. Exit code 1: no emulator is running.

    Args:
        port: Only this port; also names an emulator that isn't ours.
    """
    found = {entry.port: entry for entry in lifecycle.status(port)}
    if port is None and default_port() not in found:
        found.update({entry.port: entry for entry in lifecycle.status(default_port())})
    found.update({stack.port: _as_status(stack) for stack in compose.stacks() if port in (None, stack.port)})
    entries = [found[number] for number in sorted(found)]
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
        follow: Go on with what comes, until the engine ends.
    """
    port = port or default_port()
    stack = compose.find(port)
    lines = compose.logs(stack, follow=follow) if stack else lifecycle.logs(port, follow=follow)
    with contextlib.suppress(KeyboardInterrupt):
        for line in lines:
            write(line)


def _as_status(stack: compose.Stack) -> lifecycle.Status:
    return lifecycle.Status(stack.port, stack.state, compose.NAME, stack.version, stack.endpoint_url)


def _table(entries: list[lifecycle.Status]) -> Table:
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
