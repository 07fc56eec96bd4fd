"""Execution environments of functions given as source, with real processes that speak the Runtime API."""

import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emulator.localstack.lambda_process import stand_in
from emulator.localstack.lambda_process.reaper import Reaper
from emulator.localstack.lambda_process.runtime_api import Invocation
from emulator.localstack.lambda_process.sandbox import Outcome, Sandbox, Settings

STAND_IN = Path(stand_in.__path__[0])

# What AWS's runtime client does, in short: load the function, then ask, call and answer for ever.
LOOP = """
import json, os, sys
import runtime_client as api
sys.stdout.reconfigure(line_buffering=True)  # AWS's client writes through as well
api.initialize_client("test")
from function import handler
print("init")
while True:
    payload, headers = api.next()
    result = handler(json.loads(payload))
    api.post_invocation_result(headers["Lambda-Runtime-Aws-Request-Id"], json.dumps(result).encode())
"""

Make = Callable[..., Sandbox]


@contextmanager
def sandboxes_in(folder: Path) -> Iterator[Make]:
    """A maker of sandboxes from source; all are stopped in the end."""
    code = folder / "code"
    code.mkdir()
    (code / "loop.py").write_text(LOOP)
    made: list[Sandbox] = []

    def make(source: str, reaper: Reaper | None = None, **changes: Any) -> Sandbox:
        (code / "function.py").write_text(textwrap.dedent(source))
        values: dict[str, Any] = {
            "command": [sys.executable, "-B", "-m", "loop"],
            "code": code,
            "variables": lambda folder: {"PYTHONPATH": f"{STAND_IN}:{code}", "TMPDIR": str(folder)},
            "version": "$LATEST",
            "timeout_seconds": 30,
            "memory_mb": 512,
            "max_response_bytes": 1000,
        }
        made.append(Sandbox(Settings(**{**values, **changes}), reaper or Reaper()))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.stop(finish_invocation=False)


def call(sandbox: Sandbox, payload: Any = None, request_id: str = "id-1") -> Outcome:
    """Invoke it."""
    return sandbox.invoke(Invocation(request_id, "arn:function", json.dumps(payload).encode(), "Root=1"))
