"""Starting and stopping an engine: what the rest of the project calls.

The life of an engine on a port: nothing → environments ready → process started → it answers as itself → recorded →
stopped, with its folder and every process of it gone. A start that fails at any point leaves nothing but the log.
"""

import dataclasses
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from emulator import bounded_log, engines, environments, interpreters, loopback, processes, state
from emulator.engines import Engine, Settings, engine_named
from emulator.identity import Identity, identify
from emulator.interpreters import Interpreter
from emulator.state import Observer, Record
from profiles import folders
from profiles.errors import CannotRunError

DEFAULT_ENGINE = "localstack"
DEFAULT_PORT = 4566

_READY_SECONDS = 120.0
_POLL_SECONDS = 0.05
_LAST_LINES = 12


def _silent(_text: str) -> None:
    """The observer of those who don't want to know."""


@dataclass(frozen=True)
class Running:
    """An engine that answers. `already_running`: it did before. `certificate_path`: what TLS clients have to trust."""

    engine: str
    endpoint_url: str
    port: int
    pid: int
    log_path: Path
    already_running: bool = False
    certificate_path: Path | None = None


@dataclass(frozen=True)
class Status:
    """What is on a port.

    `state`: running; gone, if it ended by itself; damaged, if its record can't be read; foreign, if it isn't ours.
    """

    port: int
    state: str
    engine: str
    version: str
    endpoint_url: str
    pid: int | None = None
    log_path: Path | None = None


def available(engine: str, *, fetch: bool = True, observer: Observer = _silent) -> str | None:
    """Why `engine` can't be had on this machine, in one line, or None if it can. `fetch`: let uv download a Python."""
    definition = engine_named(engine)
    if not definition.python_required or interpreters.find(definition.python, fetch=fetch, observer=observer):
        return None
    return _no_python(definition)


def _no_python(engine: Engine) -> str:
    python = engine.python
    return (
        f"{engine.full_title} needs a Python {python} that runs, and none was found (PATH, pyenv, uv) or could be "
        f"fetched: install one (uv python install {python}, or pyenv install {python}), or use --engine ministack, "
        "which works without it"
    )


def start(
    engine: str = DEFAULT_ENGINE,
    port: int = DEFAULT_PORT,
    *,
    enforce_iam: bool = False,
    use_tls: bool = False,
    extra_environment: Mapping[str, str] | None = None,
    observer: Observer = _silent,
) -> Running:
    """Start `engine` on loopback `port` and return when it answers; set it up first where that is needed.

    If it already runs there with the same settings, that is success, once it answers. `extra_environment` overrides
    the engine's own settings. Raises `CannotRunError` with the last lines of the log where there is one.
    """
    definition = engine_named(engine)
    _refuse_what_it_cannot(definition, enforce_iam=enforce_iam, use_tls=use_tls)
    settings = Settings(port, state.private_folder(port), enforce_iam, use_tls)
    extra = dict(extra_environment or {})
    with state.locked_port(port, observer):
        record = state.load(port)
        if record and processes.running(record.pid, record.started):
            running = _already_running(record, definition, settings, extra)
            if identify(record.endpoint_url) is None:
                # Busy, or still starting for somebody who was killed: what it holds is not ours to throw away.
                observer(f"{record.engine} on port {port} (pid {record.pid}) runs, but is busy: waiting for its answer")
                _wait_until_ready(definition, record)
            return running
        if record:
            observer(f"{record.engine} on port {port} (pid {record.pid}) had ended without being stopped: cleaning up")
            _clean_up(port, record)
        elif left := processes.family(0, "", settings.folder):
            raise CannotRunError(
                f"an engine on port {port} still runs ({_pids(left)}), but its record can't be read: end it with "
                f"stockpipe emulator stop --port {port}"
            )
        _refuse_taken_port(definition, port)
        return _start(definition, settings, extra, observer)


def stop(port: int = DEFAULT_PORT, observer: Observer = _silent) -> bool:
    """Stop what `start` started on `port`, with all of its processes and data; False if there was nothing of ours.

    True means that this was verified: no process and no data is left, and the port is free. Otherwise `CannotRunError`
    says what is left.
    """
    with state.locked_port(port, observer):
        record = state.load(port)
        if not (record or state.damaged(port) or processes.family(0, "", state.private_folder(port))):
            return False
        title = _title(record)
        observer(f"stopping {title} on port {port}")
        _clean_up(port, record)
        if any(loopback.listens(host, port) for host in loopback.hosts()):
            raise CannotRunError(f"{title} was stopped, but something else answers on port {port}: {_who(port)}")
        return True


def status(port: int | None = None) -> list[Status]:
    """What is on `port`; without one, every engine that was started and not stopped."""
    if port is None:
        return [entry for known in state.known_ports() if (entry := _status(known))]
    entry = _status(port)
    if entry:
        return [entry]
    for scheme in ("http", "https"):
        found = identify(f"{scheme}://127.0.0.1:{port}")
        if found:
            return [Status(port, "foreign", found.engine, found.version, f"{scheme}://127.0.0.1:{port}")]
    return []


def logs(
    port: int = DEFAULT_PORT, *, follow: bool = False, wait: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """The lines that the engine on `port` printed; with `follow`, further ones as they come, until it ends."""
    path = state.log_path(port)
    if not path.exists():
        raise CannotRunError(
            f"no engine was started on port {port}, so there is no log. See: stockpipe emulator status"
        )

    def going_on() -> bool:
        record = state.load(port)
        return follow and record is not None and processes.running(record.pid, record.started) is not None

    yield from bounded_log.lines(path, going_on, lambda: wait(0.2))


def last_log_lines(port: int, count: int = _LAST_LINES) -> list[str]:
    """The last `count` lines of the log, without empty ones."""
    return list(deque((line for line in logs(port) if line.strip()), maxlen=count))


def _refuse_what_it_cannot(engine: Engine, *, enforce_iam: bool, use_tls: bool) -> None:
    if enforce_iam and not engine.can_enforce_iam:
        raise CannotRunError(f"{engine.full_title} never enforces IAM: use --engine ministack with --enforce-iam")
    if use_tls and not engine.can_use_tls:
        raise CannotRunError(f"{engine.full_title} is started without TLS here: use --engine ministack")


def _already_running(record: Record, engine: Engine, settings: Settings, extra: Mapping[str, str]) -> Running:
    same = (
        record.engine == engine.name
        and (record.enforce_iam, record.use_tls) == (settings.enforce_iam, settings.use_tls)
        and dict(record.extra_environment) == dict(extra)
    )
    if not same:
        what = f"{record.engine} {record.version}" + (" with other settings" if record.engine == engine.name else "")
        raise CannotRunError(
            f"port {record.port} is taken by our own {what} (pid {record.pid}). Stop it first "
            f"(stockpipe emulator stop --port {record.port}), or choose another --port"
        )
    return _running(record, already_running=True)


def _running(record: Record, *, already_running: bool) -> Running:
    certificate = Path(record.certificate_path) if record.certificate_path else None
    return Running(
        record.engine, record.endpoint_url, record.port, record.pid, record.log_path, already_running, certificate
    )


def _refuse_taken_port(engine: Engine, port: int) -> None:
    """Check each of its addresses: a client of `localhost` may use any of them."""
    reasons = filter(None, (loopback.why_taken(host, port) for host in loopback.hosts()))
    reason = next(reasons, None)
    if reason is None:
        return
    found = _identify_any(port)
    who = f"is taken: {found} answers there, not started by stockpipe" if found else f"can't be used ({reason})"
    use_it = f" Use the one that runs (AWS_ENDPOINT_URL=http://localhost:{port}), or choose" if found else " Choose"
    raise CannotRunError(f"{engine.full_title} can't start: port {port} {who}.{use_it} another --port")


def _identify_any(port: int) -> Identity | None:
    return identify(f"http://127.0.0.1:{port}") or identify(f"https://127.0.0.1:{port}")


def _set_up(engine: Engine, settings: Settings, observer: Observer) -> tuple[Path, Settings]:
    """The Python that runs the engine, and the settings with what functions need."""
    interpreter = interpreters.find(engine.python, observer=observer)
    if interpreter is None and engine.python_required:
        raise CannotRunError(_no_python(engine))
    interpreter = interpreter or _stand_in(engine.python, engine.full_title, observer)
    python = environments.ensure(engine.environment, interpreter, observer)
    plugin = environments.ensure_package(engine.plugin, interpreter, python, observer) if engine.plugin else None
    runtimes = {}
    for name, environment in engine.runtimes.items():
        version = name.removeprefix("python")
        own = interpreters.find(version, observer=observer) or _stand_in(version, f"Lambda runtime {name}", observer)
        runtimes[name] = environments.ensure(environment, own, observer)
    return python, dataclasses.replace(settings, runtimes=runtimes, plugin=plugin)


def _stand_in(version: str, title: str, observer: Observer) -> Interpreter:
    found = interpreters.running_interpreter()
    observer(f"warning: no Python {version} for {title}: functions run on Python {found.version}, not as on AWS")
    return found


def _start(engine: Engine, settings: Settings, extra: Mapping[str, str], observer: Observer) -> Running:
    python, settings = _set_up(engine, settings, observer)
    _remove(settings.folder)
    for folder in (settings.folder, settings.home, settings.temporary, settings.data):
        folders.private(folder)
    observer(f"starting {engine.full_title} on port {settings.port}")
    certificate = settings.certificate_path
    record: Record | None = None
    try:
        process = processes.start_detached(
            engine.command(python),
            engine.process_environment(python, settings, extra),
            settings.folder,
            state.log_path(settings.port),
        )
        record = Record(
            engine=engine.name,
            version=engine.version,
            port=settings.port,
            pid=process.pid,
            started=processes.start_mark(process.pid),
            endpoint_url=settings.endpoint_url,
            enforce_iam=settings.enforce_iam,
            use_tls=settings.use_tls,
            extra_environment=extra,
            certificate_path=str(certificate) if certificate else None,
        )
        state.save(record)  # before it answers: if this process is killed while waiting, stop finds the record
        _wait_until_ready(engine, record)
    except BaseException:  # also Ctrl-C
        _clean_up(settings.port, record)
        raise
    return _running(record, already_running=False)


def _wait_until_ready(engine: Engine, record: Record) -> Identity:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if processes.running(record.pid, record.started) is None:
            code = processes.exit_code(record.pid)
            raise CannotRunError(*_with_log(f"{engine.full_title} ended with exit code {code} while starting", record))
        found = identify(record.endpoint_url)
        if found and found.engine == engine.name:
            return found
        time.sleep(_POLL_SECONDS)
    raise CannotRunError(*_with_log(f"{engine.full_title} did not answer within {_READY_SECONDS:.0f} s", record))


def _with_log(text: str, record: Record) -> list[str]:
    lines = last_log_lines(record.port)
    return [f"{text}. The end of its log ({record.log_path}):{'' if lines else ' nothing was printed'}", *lines]


def _clean_up(port: int, record: Record | None) -> None:
    """End its processes, remove its folder and then its record; the log stays. Raises `CannotRunError` before that.

    The record is removed last, so an interrupted or incomplete stop can be run again.
    """
    folder, log = state.private_folder(port), state.log_path(port)
    pid, mark = (record.pid, record.started) if record else (0, "")
    engine = engines.ENGINES.get(record.engine) if record else None
    left = processes.stop(pid, mark, folder, engine.stop_grace_seconds if engine else 1)
    if left:
        raise CannotRunError(
            f"{_title(record)} on port {port} can't be stopped: {_pids(left)} still runs. {folder} is kept"
        )
    if processes.can_print_to(log, for_seconds=processes.KILL_SECONDS):
        raise CannotRunError(
            f"{_title(record)} on port {port} can't be stopped from here: one of its processes, which can't be seen or "
            f"recognised, has {log} open (see `lsof {log}`). {folder} is kept, because that process may need it"
        )
    _remove(folder)
    state.forget(port)


def _remove(folder: Path) -> None:
    try:
        if os.path.lexists(folder):
            shutil.rmtree(folder)
    except OSError as error:
        raise CannotRunError(f"the folder {folder} can't be removed: {error.strerror or error}") from error


def _title(record: Record | None) -> str:
    return f"{record.engine} {record.version}" if record else "the engine"


def _pids(found: Sequence[psutil.Process]) -> str:
    return "pid " + ", ".join(str(process.pid) for process in found)


def _who(port: int) -> str:
    found = _identify_any(port)
    return f"{found}, not started by stockpipe" if found else "not an engine of ours"


def _status(port: int) -> Status | None:
    record = state.load(port)
    if record is None:
        found = state.damaged(port)
        return Status(port, "damaged", "", "", f"http://127.0.0.1:{port}") if found else None
    alive = processes.running(record.pid, record.started) is not None
    return Status(
        port=record.port,
        state="running" if alive else "gone",
        engine=record.engine,
        version=record.version,
        endpoint_url=record.endpoint_url,
        pid=record.pid if alive else None,
        log_path=record.log_path,
    )
