"""Finding a Python of a given version that really runs.

A name on PATH proves nothing: `python3.13` can be a pyenv shim that ends with "command not found". So every candidate
is run, and asked what it is.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uv

from emulator.inherited import inherited
from emulator.state import Observer

_PROBE_SECONDS = 20
_FETCH_SECONDS = 300

# Also imports what an interpreter built without its libraries lacks, and what the engines can't do without.
_PROBE = """
import json, platform, ssl, sqlite3, sys, sysconfig, zlib
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps({
    "path": base,
    "version": platform.python_version(),
    "usable": sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED"),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that was run and answered. `version` has all three numbers."""

    path: Path
    version: str

    def is_version(self, wanted: str) -> bool:
        """Whether this is a Python `wanted`, for example 3.13."""
        return self.version.split(".")[:2] == wanted.split(".")


def probe(path: Path) -> Interpreter | None:
    """Run `path` and ask it what it is; None where it doesn't run or isn't an ordinary CPython."""
    try:
        answer = subprocess.run(
            [path, "-I", "-c", _PROBE],
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=True,
            text=True,
            env=inherited(),
        ).stdout
        found = json.loads(answer)
        return Interpreter(Path(found["path"]), found["version"]) if found["usable"] else None
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def running_interpreter() -> Interpreter:
    """The Python that runs this program."""
    found = probe(Path(sys.executable))
    if found is None:  # a build without ssl or sqlite3: it runs, so it is used
        version = ".".join(map(str, sys.version_info[:3]))
        return Interpreter(Path(sys.executable), version)
    return found


def find(
    version: str, *, fetch: bool = True, observer: Observer = lambda _: None, environ: Mapping[str, str] | None = None
) -> Interpreter | None:
    """A Python `version` (such as 3.13) that runs, or None.

    Looks at the running one, PATH, pyenv's versions, and what uv knows; with `fetch`, lets uv download one.
    """
    environ = os.environ if environ is None else environ
    found = _first(version, _candidates(version, environ)) or _first(version, _known_to_uv(version, environ))
    if found is None and fetch:
        observer(f"fetching a Python {version} with uv")
        found = _first(version, _fetched_by_uv(version, environ))
    return found


def _first(version: str, candidates: Iterable[Path]) -> Interpreter | None:
    seen: set[Path] = set()
    for candidate in candidates:
        if candidate in seen:
            continue
        seen.add(candidate)
        found = probe(candidate)
        if found and found.is_version(version):
            return found
    return None


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield Path(sys.executable)
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    shims = [folder for folder in folders if Path(folder).name == "shims"]
    for folder in folders:
        if folder not in shims:
            yield from _executables([Path(folder or ".") / f"python{version}"])
    pyenv = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "~")).expanduser() / ".pyenv")
    installed = sorted((pyenv / "versions").glob(f"{version}.*"), reverse=True)
    yield from _executables(folder / "bin" / f"python{version}" for folder in installed)
    # Version managers' shims come last: they are slow, and often run nothing.
    yield from _executables(Path(folder) / f"python{version}" for folder in shims)


def _executables(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if shutil.which(path))


def _known_to_uv(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    yield from _uv_find(["--offline", "--no-python-downloads", version], environ)


def _fetched_by_uv(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    installed = _uv(["python", "install", "--no-bin", version], environ, _FETCH_SECONDS)
    if installed is not None:
        yield from _uv_find(["--managed-python", "--no-python-downloads", version], environ)


def _uv_find(arguments: list[str], environ: Mapping[str, str]) -> Iterator[Path]:
    answer = _uv(["python", "find", "--no-project", "--system", *arguments], environ, _PROBE_SECONDS)
    if answer and answer.strip():
        yield Path(answer.strip().splitlines()[-1])


def _uv(arguments: list[str], environ: Mapping[str, str], seconds: float) -> str | None:
    """What uv printed, or None where it failed: offline, downloads forbidden, nothing found."""
    try:
        return subprocess.run(
            [uv.find_uv_bin(), *arguments],
            capture_output=True,
            timeout=seconds,
            check=True,
            text=True,
            env=inherited(environ),
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
