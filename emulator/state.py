"""The files that outlive a command: what runs on which port, its log, its private folder, and locks.

State folder (`profiles.folders.state_folder`)::

    emulators/<port>.json   what runs there (`Record`)
    emulators/<port>.log    what it printed; locked by its processes as long as they live
    emulators/<port>.log.1  what it printed before (`emulator.bounded_log`)
    emulators/<port>/       its private home, data and temporary folder; gone after stop
    emulators/<port>.lock   held while a command starts or stops it

In the cache folder: `environments/`, see `emulator.environments`.
"""

import contextlib
import dataclasses
import fcntl
import json
import math
import os
import re
import tempfile
import time
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from emulator import processes
from emulator.engine import Observer
from profiles import folders
from profiles.errors import CannotRunError

_LOCK_SECONDS = 600.0  # a first start downloads an engine in that time
_LOCK_POLL_SECONDS = 0.1
_LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\]):\d+")


def state_folder() -> Path:
    """The folder `emulators`, created if it is missing. Only its owner can enter it."""
    return folders.private(folders.state_folder() / "emulators")


@dataclass(frozen=True)
class Record:
    """What runs on a port. `started` is the process's start mark (`processes.start_mark`): pids are used again.

    `options` stands for what was asked for; after `grace_seconds` a stop becomes a kill.
    """

    engine: str
    version: str
    port: int
    pid: int
    started: str
    endpoint_url: str
    options: str = ""
    certificate_path: str | None = None
    grace_seconds: int = 1


def log_path(port: int) -> Path:
    """The log of the engine on `port`; it is kept after stop."""
    return state_folder() / f"{port}.log"


def private_folder(port: int) -> Path:
    """The folder of the engine on `port`."""
    return state_folder() / str(port)


def _record_path(port: int) -> Path:
    return state_folder() / f"{port}.json"


def save(record: Record) -> None:
    """Write the record in one step: a reader sees the old one, or the new one, or none. Raises `CannotRunError`."""
    try:
        handle, name = tempfile.mkstemp(dir=state_folder(), suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(record), file)
        Path(name).replace(_record_path(record.port))
    except OSError as error:
        raise CannotRunError(f"{_record_path(record.port)} can't be written: {error.strerror}") from error


def load(port: int) -> Record | None:
    """The record of `port`; None where there is none, or none that can be read (`damaged`)."""
    try:
        fields = json.loads(_record_path(port).read_text(encoding="utf-8"))
        if "created" in fields:  # an older version's, by the system clock, which may have been set since
            del fields["created"]
            resident = processes.lives_in(psutil.Process(fields["pid"]), private_folder(port))
            fields["started"] = processes.start_mark(fields["pid"]) if resident else ""
        record = Record(**{name: value for name, value in fields.items() if name in Record.__annotations__})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, psutil.Error):
        return None
    return record if record.port == port and _is_valid(record) else None


def _is_valid(record: Record) -> bool:
    typed = all(isinstance(getattr(record, name), kind) for name, kind in typing.get_type_hints(Record).items())
    return typed and _LOOPBACK.fullmatch(record.endpoint_url) is not None


def damaged(port: int) -> bool:
    """Whether `port` has a record that can't be read."""
    return _record_path(port).exists() and load(port) is None


def forget(port: int) -> None:
    """Remove the record of `port`. Raises `CannotRunError`."""
    try:
        _record_path(port).unlink(missing_ok=True)
    except OSError as error:
        raise CannotRunError(f"{_record_path(port)} can't be removed: {error.strerror}") from error


def known_ports() -> list[int]:
    """The ports that have a record, in order."""
    names = {path.stem for path in state_folder().glob("*.json")}
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal() and 0 < int(name) < 2**16)


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None, seconds: float = math.inf) -> Iterator[None]:
    """Hold the lock file `path`, at most until this process ends; `waiting` is called if another process has it.

    Raises `CannotRunError` if it isn't free after `seconds`, or can't be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise CannotRunError(f"the lock {path} can't be opened: {error.strerror}") from error
    with file:
        # Programs that the holder runs (with close_fds=False) hold it too: one that outlives it is waited for.
        os.set_inheritable(file.fileno(), True)
        deadline = time.monotonic() + seconds
        while not _lock(file):
            if waiting:
                waiting()
                waiting = None
            if time.monotonic() > deadline:
                raise CannotRunError(
                    f"another command has held the lock {path} for {seconds:.0f} s: end it (`lsof {path}` shows its "
                    "process), then try again"
                )
            time.sleep(_LOCK_POLL_SECONDS)
        yield


def _lock(file: typing.TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def locked_port(port: int, observer: Observer) -> contextlib.AbstractContextManager[None]:
    """Only one command at a time starts or stops what runs on `port`."""
    return locked(
        state_folder() / f"{port}.lock",
        lambda: observer(f"another command is busy with port {port}: waiting"),
        _LOCK_SECONDS,
    )
