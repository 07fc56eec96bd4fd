"""Virtual environments built once from committed locks, kept in the per-user cache, shared by checkouts.

A virtual environment can't be moved, so it is built in place: under a lock, and with a marker that is written last. One
without the marker was interrupted, and is built again. Its folder is named after everything that goes into it (lock,
package source, interpreter): what changes gets a new folder, and nothing is ever repaired.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from emulator import state
from emulator.interpreters import Interpreter
from emulator.state import Observer
from profiles.errors import CannotRunError

_MARKER = ".complete"
_OF_OTHER_ENVIRONMENTS = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_SYSTEM_PYTHON", "UV_PYTHON"}
_LAYOUT = "1"  # part of the key: change it when environments are built differently


@dataclass(frozen=True)
class Environment:
    """A virtual environment to be: packages from `lock`, and optionally our own package in the folder `source`."""

    name: str
    title: str
    lock: Path
    source: Path | None = None

    def key(self, interpreter: Interpreter) -> str:
        """Name of everything that goes into it, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for part in (_LAYOUT, str(interpreter.path), interpreter.version):
            digest.update(part.encode() + b"\0")
        digest.update(self.lock.read_bytes())
        for path in self._source_files():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]

    def _source_files(self) -> Iterator[Path]:
        if self.source is None:
            return
        for path in sorted(self.source.rglob("*")):
            if path.is_file() and path.suffix in {".py", ".toml"} and "build" not in path.parts:
                yield path


Builder = Callable[[Environment, Interpreter, Path, Observer], None]


def ensure(
    environment: Environment, interpreter: Interpreter, observer: Observer, builder: Builder | None = None
) -> Path:
    """The environment's interpreter; built first where it isn't there yet. Raises `CannotRunError`.

    Safe from several processes at once: one builds, the others wait.
    """
    folder = state.cache_folder() / "environments" / f"{environment.name}-{environment.key(interpreter)}"
    python = folder / "bin" / "python"
    if (folder / _MARKER).exists():
        return python
    title = environment.title
    with state.locked(
        folder.with_name(f"{folder.name}.lock"),
        lambda: observer(f"{title} is being set up by another process: waiting"),
    ):
        if not (folder / _MARKER).exists():
            shutil.rmtree(folder, ignore_errors=True)
            (builder or build)(environment, interpreter, folder, observer)
            (folder / _MARKER).touch()
    return python


def build(environment: Environment, interpreter: Interpreter, folder: Path, observer: Observer) -> None:
    """Build the environment in `folder` with uv, which honours the user's own index settings."""
    title = environment.title
    observer(f"setting up {title} (once): Python {interpreter.version}")
    _run_uv(["venv", "--quiet", "--no-project", "--python", str(interpreter.path), str(folder)], title, observer)
    python = str(folder / "bin" / "python")
    observer(f"setting up {title} (once): packages")
    install = ["pip", "install", "--python", python, "--no-progress"]
    _run_uv([*install, "--require-hashes", "--requirement", str(environment.lock)], title, observer)
    if environment.source:
        observer(f"setting up {title} (once): our plugin")
        wheel = _build_wheel(environment.source, folder / "wheels", title, observer)
        _run_uv([*install, "--no-deps", "--no-index", str(wheel)], title, observer)


def _build_wheel(source: Path, target: Path, title: str, observer: Observer) -> Path:
    """A wheel of the package in `source`, with the hatchling of our own environment: nothing is downloaded for it."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    _run(command, source, title, observer)
    return next(target.glob("*.whl"))


def _run_uv(arguments: Sequence[str], title: str, observer: Observer) -> None:
    # Run from the cache folder: a uv.toml or pyproject.toml of whatever folder the user is in has no say here.
    _run([uv.find_uv_bin(), *arguments], state.cache_folder(), title, observer)


def _run(command: Sequence[str], folder: Path, title: str, observer: Observer) -> None:
    environ = {key: value for key, value in os.environ.items() if key not in _OF_OTHER_ENVIRONMENTS}
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        for line in process.stdout or ():
            lines.append(line.strip())
            observer(f"setting up {title} (once): {line.strip()}")
    if process.returncode:
        reason = " ".join(line for line in lines[-6:] if line) or f"exit code {process.returncode}"
        raise CannotRunError(
            f"{title} could not be set up: {reason}. It needs the package index once (uv's settings apply: "
            "UV_DEFAULT_INDEX, UV_INDEX, SSL_CERT_FILE); run the command again when it can be reached"
        )
