"""Which resources a function may use: AWS's quotas, as resource limits of its process and its child processes.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

OPEN_FILES = 1024
PROCESSES = 1024  # threads included

_START = Path(__file__).parent / "start.py"


def command(
    python: Sequence[str],
    module: Sequence[str],
    *,
    file_bytes: int,
    environ: Mapping[str, str],
    open_files: int = OPEN_FILES,
    processes: int = PROCESSES,
) -> list[str]:
    """The command that runs a module (its name, then its arguments) with these limits.

    With `LAMBDA_PROCESS_ENFORCE_LIMITS=0` in `environ` there are none. The system counts all processes of a user, so
    those that already run are added. For root it has no such limit.
    """
    if environ.get("LAMBDA_PROCESS_ENFORCE_LIMITS", "1") == "0":
        return [*python, "-m", *module]
    return [*python, str(_START), *map(str, (open_files, _running() + processes, file_bytes)), *module]


def _running() -> int:
    """The number of running processes and threads, at least those of this user. On macOS threads have no limit."""
    try:
        return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[2])
    except OSError:
        return len(psutil.pids())
