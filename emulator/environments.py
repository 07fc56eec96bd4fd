"""Virtual environments built once from committed locks, kept in the per-user cache, shared by checkouts.

A virtual environment can't be moved, so it is built in place: under a lock, and with a marker that is written last. One
without the marker was interrupted, and is built again. Its folder is named after everything that goes into it (lock,
interpreter): a change leads to a new folder, and nothing is repaired. Our own plugin is kept the same way, in a
separate folder, so that a change to it doesn't need another environment of 325 MB.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from emulator import state
from emulator.engine import Observer
from emulator.inherited import inherited
from emulator.interpreters import Interpreter
from profiles.errors import CannotRunError
from profiles.folders import cache_folder

_MARKER = ".complete"
_LAYOUT = "1"  # part of the key: change it when environments are built differently


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the packages of `lock`. `title` is for a person."""

    name: str
    title: str
    lock: Path

    def key(self, interpreter: Interpreter) -> str:
        """A digest of everything that goes into it."""
        return _digest([str(interpreter.path), interpreter.version, self.lock.read_bytes()])


@dataclass(frozen=True)
class Package:
    """A package of ours, installed into a folder that is on the PYTHONPATH of an environment with its dependencies.

    It is built in the first folder of `sources`; the other folders contain what else its build needs.
    """

    name: str
    title: str
    sources: tuple[Path, ...]

    def key(self, interpreter: Interpreter) -> str:
        """A digest of everything that goes into it."""
        parts: list[str | bytes] = []
        for source in self.sources:
            for path in sorted(source.rglob("*")):
                if path.suffix in {".py", ".toml"} and path.is_file():
                    parts += [str(path.relative_to(source)), path.read_bytes()]
        return _digest([interpreter.version, *parts])


def _digest(parts: Sequence[str | bytes]) -> str:
    digest = hashlib.sha256(_LAYOUT.encode())
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:16]


def ensure(environment: Environment, interpreter: Interpreter, observer: Observer) -> Path:
    """The environment's Python; built first where it isn't there yet. Raises `CannotRunError`."""
    title = environment.title

    def build(folder: Path) -> None:
        observer(f"setting up {title} (once): Python {interpreter.version}")
        _run_uv(["venv", "--quiet", "--no-project", "--python", str(interpreter.path), str(folder)], title, observer)
        observer(f"setting up {title} (once): packages")
        install = ["pip", "install", "--no-progress", "--python", str(folder / "bin" / "python")]
        _run_uv([*install, "--require-hashes", "--requirement", str(environment.lock)], title, observer)

    return ensure_folder(_folder(environment, interpreter), title, build, observer) / "bin" / "python"


def ensure_package(package: Package, interpreter: Interpreter, observer: Observer) -> Path:
    """The folder that the package is installed in. Raises `CannotRunError`.

    It is built with the hatchling of our own environment, so that nothing is downloaded for it.
    """

    def build(folder: Path) -> None:
        observer(f"setting up {package.title} (once)")
        install = ["pip", "install", "--python", sys.executable, "--target", str(folder), "--no-deps", "--no-index"]
        # --no-cache: uv would take an earlier build of the same folder for this one.
        _run_uv([*install, "--no-build-isolation", "--no-cache", str(package.sources[0])], package.title, observer)

    return ensure_folder(_folder(package, interpreter), package.title, build, observer)


def _folder(what: Environment | Package, interpreter: Interpreter) -> Path:
    return cache_folder() / "environments" / f"{what.name}-{what.key(interpreter)}"


def ensure_folder(folder: Path, title: str, build: Callable[[Path], None], observer: Observer) -> Path:
    """Have `build` fill `folder`, once and completely. One process builds it, others wait for that."""
    if (folder / _MARKER).exists():
        return folder
    lock = folder.with_name(f"{folder.name}.lock")
    with state.locked(lock, lambda: observer(f"{title} is being set up by another process: waiting")):
        if not (folder / _MARKER).exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            (folder / _MARKER).touch()
    return folder


def _run_uv(arguments: Sequence[str], title: str, observer: Observer) -> None:
    # Run from the cache folder: a uv.toml or pyproject.toml of whatever folder the user is in has no say here.
    run([uv.find_uv_bin(), *arguments], cache_folder(), title, observer)


def run(command: Sequence[str], folder: Path, title: str, observer: Observer) -> None:
    """Run one step of a set-up in `folder`, and show its output. Raises `CannotRunError` with the last lines."""
    lines: list[str] = []
    # close_fds=False: it inherits the lock. Should this process be killed, nobody builds over a uv that still writes.
    with subprocess.Popen(
        command,
        cwd=folder,
        env=inherited(),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        close_fds=False,
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
