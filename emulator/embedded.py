"""Engines that run as processes of this machine, each in a virtual environment of its own, from a committed lock.

An engine is started in an environment made here from nothing: of the user's variables it gets none, so no real
credentials, no endpoints, no proxies. (ministack hands its own environment to every function.)

All of them keep one record per port (`emulator.state`), so any of them shows and stops what another has started. That
includes engines that this version doesn't know, and those whose record is lost or damaged.
"""

import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from emulator import bounded_log, environments, interpreters, loopback, processes, state
from emulator.engine import Capability, Engine, MissingError, Observer, Options, Running, Status, silent
from emulator.environments import Environment, Package
from emulator.interpreters import Interpreter
from emulator.state import Record
from profiles import folders
from profiles.errors import CannotRunError

_READY_SECONDS = 120.0
_POLL_SECONDS = 0.05
_LOG_SECONDS = 0.2
_LAST_LINES = 12


@dataclass(frozen=True)
class Launch:
    """One start of an engine. `folder` is private to it.

    `runtimes` maps a Lambda runtime's name to a Python; `package` is the folder with our own package for the engine.
    """

    port: int
    folder: Path
    options: Options = field(default_factory=Options)
    runtimes: Mapping[str, Path] = field(default_factory=dict)
    package: Path | None = None

    @property
    def addresses(self) -> str:
        """The addresses that it listens on: loopback, IPv4 and IPv6. `host:port`, separated by commas."""
        return ",".join(f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}" for host in loopback.hosts())

    @property
    def endpoint_url(self) -> str:
        """Where it answers; on loopback only."""
        return f"{'https' if self.options.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Where it keeps its data."""
        return self.folder / "data"


@dataclass(frozen=True, kw_only=True)
class EmbeddedEngine(Engine):
    """An engine as a process. `python` is the version that it runs on; with `Capability.ANY_PYTHON` another will do.

    `runtimes` are further environments that functions run in, by the name of the Lambda runtime. `certificate` is the
    path, below the private folder, of what clients have to trust. After `grace_seconds` a stop becomes a kill.
    """

    python: str
    environment: Environment
    package: Package | None = None
    runtimes: Mapping[str, Environment] = field(default_factory=dict)
    arguments: tuple[str, ...]
    variables: Callable[[Launch], Mapping[str, str]]
    certificate: str = ""
    grace_seconds: int

    def require(self, observer: Observer = silent, *, fetch: bool = True) -> None:
        """Raise `MissingError` where there is no Python for it. `fetch`: let uv download one."""
        if Capability.ANY_PYTHON not in self.capabilities:
            self._interpreter(observer, fetch=fetch)

    def start(self, port: int, options: Options, observer: Observer) -> Running:
        """Start a process, unless one runs already; clean up first after one that has ended by itself."""
        launch = Launch(port, state.private_folder(port), options)
        record = state.load(port)
        if record and processes.running(record.pid, record.started):
            return self._join(record, options, observer)
        if record:
            observer(f"{record.engine} on port {port} (pid {record.pid}) had ended without being stopped: cleaning up")
            _clean_up(port, record)
        elif left := processes.family(0, "", launch.folder):
            raise CannotRunError(
                f"an engine on port {port} still runs ({_pids(left)}), but its record can't be read: end it with "
                f"stockpipe emulator stop --port {port}"
            )
        loopback.require_free(port)
        return self._start(launch, observer)

    def stop(self, port: int, observer: Observer) -> bool:
        """End the processes of the engine on `port`, and verify that none of them and none of its data is left."""
        record = state.load(port)
        if not (record or state.damaged(port) or processes.family(0, "", state.private_folder(port))):
            return False
        observer(f"stopping {_title(record)} on port {port}")
        _clean_up(port, record)
        return True

    def status(self) -> list[Status]:
        """What the records say, of each port that has one."""
        return [entry for port in state.known_ports() if (entry := _status(port))]

    def logs(self, port: int, *, follow: bool) -> Iterator[str] | None:
        """The log of the port, which is kept after stop."""
        path = state.log_path(port)

        def going_on() -> bool:
            record = state.load(port)
            return follow and record is not None and processes.running(record.pid, record.started) is not None

        return bounded_log.lines(path, going_on, lambda: time.sleep(_LOG_SECONDS)) if path.exists() else None

    def process_environment(self, python: Path, launch: Launch) -> dict[str, str]:
        """The engine's whole environment: a bare one, its own variables, then those that were asked for."""
        bare = {
            "PATH": os.pathsep.join([str(python.parent), os.defpath.lstrip(os.pathsep)]),
            "HOME": str(launch.folder / "home"),
            "TMPDIR": str(launch.folder / "tmp"),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONUNBUFFERED": "1",
            "PYTHONNOUSERSITE": "1",
        }
        return {**bare, **self.variables(launch), **launch.options.extra_environment}

    def _join(self, record: Record, options: Options, observer: Observer) -> Running:
        """The engine that runs there already, if it is this one with these options."""
        if (record.engine, record.options) != (self.name, repr(options)):
            what = f"{record.engine} {record.version}" + (" with other settings" if record.engine == self.name else "")
            raise CannotRunError(
                f"port {record.port} is taken by our own {what} (pid {record.pid}). Stop it first "
                f"(stockpipe emulator stop --port {record.port}), or choose another --port"
            )
        if self.identify(record.endpoint_url) is None:
            # Busy, or still starting for a command that was killed: its data must not be removed.
            observer(f"{self.name} on port {record.port} (pid {record.pid}) runs, but is busy: waiting for its answer")
            self._wait_until_ready(record)
        return _running(record, already_running=True)

    def _interpreter(self, observer: Observer, *, fetch: bool = True) -> Interpreter:
        found = interpreters.find(self.python, fetch=fetch, observer=observer)
        if found:
            return found
        if Capability.ANY_PYTHON in self.capabilities:
            return _stand_in(self.python, self.full_title, observer)
        raise MissingError(
            f"{self.full_title} needs a Python {self.python} that runs, and none was found (PATH, pyenv, uv) or could "
            f"be fetched: install one (uv python install {self.python}, or pyenv install {self.python})",
            Capability.ANY_PYTHON,
        )

    def _set_up(self, launch: Launch, observer: Observer) -> tuple[Path, Launch]:
        """The Python that runs the engine, and the launch with what functions need."""
        interpreter = self._interpreter(observer)
        python = environments.ensure(self.environment, interpreter, observer)
        package = environments.ensure_package(self.package, interpreter, observer) if self.package else None
        runtimes = {}
        for name, environment in self.runtimes.items():
            version = name.removeprefix("python")
            own = interpreters.find(version, observer=observer)
            own = own or _stand_in(version, f"Lambda runtime {name}", observer)
            runtimes[name] = environments.ensure(environment, own, observer)
        return python, Launch(launch.port, launch.folder, launch.options, runtimes, package)

    def _start(self, launch: Launch, observer: Observer) -> Running:
        python, launch = self._set_up(launch, observer)
        _remove(launch.folder)
        for name in ("", "home", "tmp", "data"):
            folders.private(launch.folder / name)
        observer(f"starting {self.full_title} on port {launch.port}")
        record: Record | None = None
        try:
            process = processes.start_detached(
                [str(python), *self.arguments],
                self.process_environment(python, launch),
                launch.folder,
                state.log_path(launch.port),
            )
            record = Record(
                engine=self.name,
                version=self.version,
                port=launch.port,
                pid=process.pid,
                started=processes.start_mark(process.pid),
                endpoint_url=launch.endpoint_url,
                options=repr(launch.options),
                certificate_path=str(launch.folder / self.certificate) if launch.options.tls else None,
                grace_seconds=self.grace_seconds,
            )
            state.save(record)  # before it answers: if this process is killed while waiting, stop finds the record
            self._wait_until_ready(record)
        except BaseException:  # also Ctrl-C
            _clean_up(launch.port, record)
            raise
        return _running(record, already_running=False)

    def _wait_until_ready(self, record: Record) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if processes.running(record.pid, record.started) is None:
                code = processes.exit_code(record.pid)
                raise self._failed(f"ended with exit code {code} while starting", record)
            if self.identify(record.endpoint_url):
                return
            time.sleep(_POLL_SECONDS)
        raise self._failed(f"did not answer within {_READY_SECONDS:.0f} s", record)

    def _failed(self, reason: str, record: Record) -> CannotRunError:
        lines = [line for line in self.logs(record.port, follow=False) or () if line.strip()]
        nothing = "" if lines else " nothing was printed"
        text = f"{self.full_title} {reason}. The end of its log ({state.log_path(record.port)}):{nothing}"
        return CannotRunError(text, *deque(lines, maxlen=_LAST_LINES))


def _stand_in(version: str, title: str, observer: Observer) -> Interpreter:
    found = interpreters.running_interpreter()
    observer(f"warning: no Python {version} for {title}: functions run on Python {found.version}, not as on AWS")
    return found


def _status(port: int) -> Status | None:
    record = state.load(port)
    if record is None:
        return Status(port, "damaged", "", "", f"http://127.0.0.1:{port}") if state.damaged(port) else None
    return _status_of(record)


def _status_of(record: Record) -> Status:
    alive = processes.running(record.pid, record.started) is not None
    pid = record.pid if alive else None
    state_now = "running" if alive else "gone"
    return Status(
        record.port, state_now, record.engine, record.version, record.endpoint_url, pid, state.log_path(record.port)
    )


def _running(record: Record, *, already_running: bool) -> Running:
    certificate = Path(record.certificate_path) if record.certificate_path else None
    return Running(**vars(_status_of(record)), already_running=already_running, certificate_path=certificate)


def _clean_up(port: int, record: Record | None) -> None:
    """End its processes, remove its folder and then its record; the log stays. Raises `CannotRunError` before that.

    The record is removed last, so an interrupted or incomplete stop can be run again.
    """
    folder, log = state.private_folder(port), state.log_path(port)
    pid, mark, grace_seconds = (record.pid, record.started, record.grace_seconds) if record else (0, "", 0)
    left = processes.stop(pid, mark, folder, grace_seconds)
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
