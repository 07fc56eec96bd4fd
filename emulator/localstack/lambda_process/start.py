"""Runs a module in this process under resource limits: `start.py <open files> <processes> <file bytes> <module> …`.

It replaces `python -m` in a function's process, so that the limits are set before any code of the function runs. Run by
the function's interpreter: standard library only.
"""

import os
import resource
import runpy
import sys


def limit(kind: int, wanted: int) -> None:
    """Set both limits of a resource; never above the engine's own."""
    _, hard = resource.getrlimit(kind)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    open_files, processes, file_bytes, module = sys.argv[1:5]
    limit(resource.RLIMIT_NOFILE, int(open_files))
    limit(resource.RLIMIT_NPROC, int(processes))
    limit(resource.RLIMIT_FSIZE, int(file_bytes))
    sys.argv = sys.argv[4:]
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as `python -m` has it
    runpy.run_module(module, run_name="__main__", alter_sys=True)
