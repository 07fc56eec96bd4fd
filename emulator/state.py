"""The files that outlive a command: what runs on which port, its log, its private folder, and locks.

State folder (`profiles.folders.state_folder`)::

    emulators/<port>.json   what runs there (`Record`)
    emulators/<port>.log    what it printed; <port>.log.1 what it printed before (`emulator.bounded_log`)
    emulators/<port>/       its private home, data and temporary folder; gone after stop
    emulators/<port>.lock   held while a command starts or stops it

In the cache folder: `environments/`, see `emulator.environments`.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from profiles import folders

Observer = Callable[[str], None]


def state_folder() -> Path:
    """Where it is kept what runs at the moment. Made where it is missing, readable by its owner only."""
    folder = folders.state_folder() / "emulators"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@dataclass(frozen=True)
class Record:
    """What runs on a port. `created` is the process's start time in seconds since 1970: pids are used again."""

    engine: str
    version: str
    port: int
    pid: int
    created: float
    endpoint_url: str
    enforce_iam: bool = False
    use_tls: bool = False
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    certificate_path: str | None = None

    @property
    def log_path(self) -> Path:
        """The file that the engine prints to."""
        return log_path(self.port)

    @property
    def folder(self) -> Path:
        """The engine's private folder."""
        return private_folder(self.port)


def log_path(port: int) -> Path:
    """The log of the engine on `port`; it is kept after stop."""
    return state_folder() / f"{port}.log"


def private_folder(port: int) -> Path:
    """The folder of the engine on `port`."""
    return state_folder() / str(port)


def _record_path(port: int) -> Path:
    return state_folder() / f"{port}.json"


def save(record: Record) -> None:
    """Write the record in one step: a reader sees the old one, or the new one, or none."""
    handle, name = tempfile.mkstemp(dir=state_folder(), suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(record), file)
    Path(name).replace(_record_path(record.port))


def load(port: int) -> Record | None:
    """The record of `port`; None where there is none, or none that this version can read."""
    try:
        return Record(**json.loads(_record_path(port).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget(port: int) -> None:
    """Remove the record of `port`."""
    _record_path(port).unlink(missing_ok=True)


def known_ports() -> list[int]:
    """The ports that have a record, in order."""
    return sorted(int(path.stem) for path in state_folder().glob("*.json") if path.stem.isdigit())


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path` (at the latest it ends with its holder); `waiting` is called if another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        # Programs that the holder runs (with close_fds=False) hold it too: one that outlives it is waited for.
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def locked_port(port: int, observer: Observer) -> contextlib.AbstractContextManager[None]:
    """Only one command at a time starts or stops what runs on `port`."""
    return locked(
        state_folder() / f"{port}.lock", lambda: observer(f"another command is busy with port {port}: waiting")
    )
