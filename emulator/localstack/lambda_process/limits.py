"""Which resources a function may use: AWS's quotas, as resource limits of its process and its child processes.

As a program it runs a module in this process under limits. It replaces `python -m` in a function's process, so that the
limits are set before any code of the function runs::

    limits.py <open files> <processes> <file bytes> <module> [argument …]

This runs in the function's interpreter, not in LocalStack's: standard library only.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import os
import resource
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

OPEN_FILES = 1024
PROCESSES = 1024  # threads included


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
    return [*python, __file__, *map(str, (open_files, _running() + processes, file_bytes)), *module]


def _running() -> int:
    """The number of running processes and threads, at least those of this user. On macOS threads have no limit."""
    try:
        return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[2])
    except OSError:
        import psutil  # noqa: PLC0415 - only LocalStack's interpreter has it

        return len(psutil.pids())


def _limit(kind: int, wanted: int) -> None:
    """Set both limits of a resource; never above the engine's own."""
    _, hard = resource.getrlimit(kind)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    _limit(resource.RLIMIT_NOFILE, int(sys.argv[1]))
    _limit(resource.RLIMIT_NPROC, int(sys.argv[2]))
    _limit(resource.RLIMIT_FSIZE, int(sys.argv[3]))
    sys.argv = sys.argv[4:]
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as `python -m` has it
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
