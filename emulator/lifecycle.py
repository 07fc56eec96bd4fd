"""Starting and stopping an engine on a port: what the rest of the project calls.

It finds the engine (`emulator.engine` is the contract), and holds the lock of the port while the engine starts or
stops.
"""

from collections.abc import Iterator

from emulator import engines, loopback, state
from emulator.engine import (
    DEFAULT_PORT,
    DEFAULTS,
    Engine,
    MissingError,
    Observer,
    Options,
    PortTakenError,
    Running,
    Status,
    silent,
)
from emulator.engines import engine_named, with_capability
from emulator.identity import identify
from profiles.errors import CannotRunError

DEFAULT_ENGINE = next(iter(engines.ENGINES))


def available(engine: str, *, fetch: bool = True, observer: Observer = silent) -> str | None:
    """Why `engine` can't be had on this machine, in one line, or None if it can. `fetch`: parts may be downloaded."""
    try:
        engine_named(engine).require(observer, fetch=fetch)
    except MissingError as error:
        return _missing(error)
    return None


def start(
    engine: str = DEFAULT_ENGINE,
    port: int = DEFAULT_PORT,
    options: Options = DEFAULTS,
    *,
    observer: Observer = silent,
) -> Running:
    """Start `engine` on loopback `port` and return when it answers; set it up first where that is needed.

    If it already runs there with the same options, that is success, once it answers. Raises `CannotRunError`.
    """
    chosen = engine_named(engine)
    for option, capability in options.needs():
        if capability not in chosen.capabilities:
            others = " or ".join(with_capability(capability))
            raise CannotRunError(f"{chosen.full_title} {capability.value}: use --engine {others} with {option}")
    with state.locked_port(port, observer):
        try:
            return chosen.start(port, options, observer)
        except MissingError as error:
            raise CannotRunError(_missing(error)) from error
        except PortTakenError as error:
            raise CannotRunError(f"{chosen.full_title} can't start: port {port} {_use_of(port, error)}") from error


def stop(port: int = DEFAULT_PORT, observer: Observer = silent) -> bool:
    """Stop what `start` started on `port`, with all of its processes and data; False if there was nothing of ours.

    True means that this was verified: no process and no data is left, and the port is free. Otherwise `CannotRunError`
    says what is left.
    """
    with state.locked_port(port, observer):
        stopped = any(engine.stop(port, observer) for engine in engines.ENGINES.values())
        if stopped and any(loopback.listens(host, port) for host in loopback.hosts()):
            found = _foreign(port)
            who = f"{found.engine} {found.version}, not started by stockpipe" if found else "not an engine of ours"
            raise CannotRunError(f"the engine was stopped, but something else answers on port {port}: {who}")
        return stopped


def status(port: int | None = None) -> list[Status]:
    """What is on `port`; without one, every engine that was started and not stopped, in the order of ports."""
    found = {entry.port: entry for engine in engines.ENGINES.values() for entry in engine.status()}
    if port is None:
        return [found[number] for number in sorted(found)]
    entry = found.get(port) or _foreign(port)
    return [entry] if entry else []


def logs(port: int = DEFAULT_PORT, *, follow: bool = False) -> Iterator[str]:
    """The lines that the engine on `port` printed; with `follow`, further ones as they come, until it ends."""

    def is_elsewhere(engine: Engine) -> bool:
        return all(entry.port != port for entry in engine.status())

    for engine in sorted(engines.ENGINES.values(), key=is_elsewhere):  # first the one that is there now
        if (lines := engine.logs(port, follow=follow)) is not None:
            return lines
    raise CannotRunError(f"no engine was started on port {port}, so there is no log. See: stockpipe emulator status")


def _missing(error: MissingError) -> str:
    others = " or ".join(with_capability(error.capability))
    return f"{error}, or use an engine that works without it: --engine {others}"


def _foreign(port: int) -> Status | None:
    for endpoint_url in (f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}"):
        if found := identify(endpoint_url):
            return Status(port, "foreign", found.engine, found.version, endpoint_url)
    return None


def _use_of(port: int, taken: PortTakenError) -> str:
    """Who uses the port, and what to do."""
    entry = next(iter(status(port)), None)
    if entry is None:
        return f"can't be used ({taken}). Choose another --port"
    if entry.state == "foreign":
        return (
            f"is taken: {entry.engine} {entry.version} answers there, not started by stockpipe. Use the one that runs "
            f"(AWS_ENDPOINT_URL=http://localhost:{port}), or choose another --port"
        )
    return (
        f"is taken by our own {entry.engine} {entry.version}. Stop it first (stockpipe emulator stop --port {port}), "
        "or choose another --port"
    )
