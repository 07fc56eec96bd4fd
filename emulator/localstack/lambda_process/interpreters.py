"""Which Python runs a function: the one of its declared runtime, or the nearest that has AWS's runtime client."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_RUNTIME = re.compile(r"python3\.\d+")

# One line of JSON about the interpreter that runs it: its version, where awslambdaric is, whether its compiled part is.
_PROBE = """
import importlib.util as u, json, sys
spec = u.find_spec("awslambdaric")
print(json.dumps({
    "runtime": "python%d.%d" % sys.version_info[:2],
    "packages": spec and spec.submodule_search_locations[0],
    "compiled": u.find_spec("runtime_client") is not None,
}))
"""


class NoInterpreterError(Exception):
    """No Python on this machine can run functions. The text says which were tried and what to do."""


@dataclass(frozen=True)
class Interpreter:
    """A Python that has `awslambdaric`.

    `runtime` is what it is (`python3.11`), `packages` the folder where awslambdaric and boto3 are, `compiled` whether
    awslambdaric's compiled part is there (it is not on macOS).
    """

    path: Path
    runtime: str
    packages: Path
    compiled: bool


def parse(setting: str) -> dict[str, Path]:
    """Read `LAMBDA_PROCESS_PYTHON`: `python3.11=/path/to/python[,python3.13=/path]`. Raises `ValueError`."""
    table = {}
    for entry in filter(None, (part.strip() for part in setting.split(","))):
        runtime, separator, path = entry.partition("=")
        if not separator or not _RUNTIME.fullmatch(runtime.strip()) or not path.strip():
            raise ValueError(f"LAMBDA_PROCESS_PYTHON: {entry!r} is not of the form python3.11=/path/to/python")
        table[runtime.strip()] = Path(path.strip())
    return table


def choose(
    runtime: str, table: Mapping[str, Path], probe: Callable[[Path], Interpreter | None]
) -> tuple[Interpreter, str]:
    """The interpreter for `runtime`, and a warning (empty if it is the declared one).

    Tried in this order: the one listed for it, the others listed, the interpreter this runs in. Raises
    `NoInterpreterError` if none has awslambdaric.
    """
    listed = sorted(table, key=lambda name: (name == runtime, name), reverse=True)
    candidates = [*(table[name] for name in listed), Path(sys.executable)]
    found = [interpreter for interpreter in map(probe, candidates) if interpreter]
    advice = f"Set LAMBDA_PROCESS_PYTHON={runtime}=<path of a Python that has awslambdaric and boto3>"
    if not found:
        tried = ", ".join(map(str, candidates))
        raise NoInterpreterError(f"no Python with awslambdaric for {runtime}; tried {tried}. {advice}")
    best = next((interpreter for interpreter in found if interpreter.runtime == runtime), found[0])
    if best.runtime == runtime:
        return best, ""
    return best, f"functions of runtime {runtime} run on {best.runtime} ({best.path}): no {runtime} is known. {advice}"


@cache
def probe(path: Path) -> Interpreter | None:
    """Ask an interpreter what it is; None if it doesn't run (a pyenv shim, say) or has no awslambdaric."""
    try:
        answer = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, timeout=30, check=True).stdout
        facts = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if not facts["packages"]:
        return None
    return Interpreter(path, facts["runtime"], Path(facts["packages"]).parent, facts["compiled"])
