"""Finding a Python of a given version that runs.

A name on PATH proves nothing: `python3.13` can be a pyenv shim that ends with "command not found". So uv runs each
candidate to test it.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uv

from emulator.engine import Observer, silent
from emulator.inherited import inherited

_FIND_SECONDS = 20
_FETCH_SECONDS = 300
_FIND = ("python", "find", "--no-project", "--system", "--offline", "--no-python-downloads")


@dataclass(frozen=True)
class Interpreter:
    """A Python that uv has run. `version` has all three numbers."""

    path: Path
    version: str


def running_interpreter() -> Interpreter:
    """The Python that runs this program, outside of its virtual environment."""
    return Interpreter(Path(getattr(sys, "_base_executable", sys.executable)), platform.python_version())


def find(version: str, *, fetch: bool = True, observer: Observer = silent) -> Interpreter | None:
    """An ordinary CPython `version` (such as 3.13) that runs, or None.

    uv looks at its own, at the one that runs this program, at PATH and at pyenv's versions. With `fetch`, it downloads
    one where there is none.
    """
    environ = inherited()
    environ["PATH"] = _search_path(version, environ)
    found = _find(version, environ)
    if found is None and fetch:
        observer(f"fetching a Python {version} with uv")
        if _uv(["python", "install", "--no-bin", version], environ, _FETCH_SECONDS) is not None:
            found = _find(version, environ)
    return found


def _find(version: str, environ: Mapping[str, str]) -> Interpreter | None:
    request = f"cpython@{version}"
    path = _uv([*_FIND, request], environ, _FIND_SECONDS)
    full_version = _uv([*_FIND, "--show-version", request], environ, _FIND_SECONDS) if path else None
    return Interpreter(Path(path), full_version) if path and full_version else None


def _search_path(version: str, environ: Mapping[str, str]) -> str:
    """PATH, with what uv doesn't know: the folders of pyenv's versions. Shims, which are slow to fail, come last."""
    pyenv = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "~")).expanduser() / ".pyenv")
    installed = sorted((pyenv / "versions").glob(f"{version}.*/bin"), reverse=True)
    running = running_interpreter().path.parent
    folders = [str(running), *environ.get("PATH", os.defpath).split(os.pathsep), *map(str, installed)]
    return os.pathsep.join(sorted(folders, key=lambda folder: Path(folder).name == "shims"))


def _uv(arguments: list[str], environ: Mapping[str, str], seconds: float) -> str | None:
    """What uv printed, or None where it failed: offline, downloads forbidden, nothing found."""
    try:
        return subprocess.run(
            [uv.find_uv_bin(), *arguments],
            capture_output=True,
            timeout=seconds,
            check=True,
            text=True,
            env=dict(environ),
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
