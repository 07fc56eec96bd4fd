"""Why no function outlives LocalStack, not even one that is killed with -9.

A small process of its own waits at the other end of a pipe. It is told which process groups are running and which
folders are theirs; when the pipe closes, LocalStack is gone, however that happened: it then kills the groups and
removes the folders. It needs nothing but POSIX, so it works on macOS too, and one serves all functions. It leads a
session of its own, so that a signal to LocalStack's process group doesn't reach it.

Lines on the pipe: `+ <process group> <folder>` and `- <process group>`.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO


class Reaper:
    """LocalStack's end of the pipe. Safe to use from several threads; starts the process when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watched: dict[int, Path] = {}

    def watch(self, process_group: int, folder: Path) -> None:
        """Kill this group and remove this folder should LocalStack vanish."""
        with self._lock:
            self._watched[process_group] = folder
            self._tell(f"+ {process_group} {folder}\n")

    def forget(self, process_group: int) -> None:
        """This group has ended."""
        with self._lock:
            self._watched.pop(process_group, None)
            self._tell(f"- {process_group}\n")

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()
            line = "".join(f"+ {group} {folder}\n" for group, folder in self._watched.items())
        assert self._process is not None  # noqa: S101
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode())

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            bufsize=0,
        )


def kill_group(process_group: int) -> None:
    """Kill a whole process group; one that is gone already is fine."""
    # macOS answers EPERM for a group of which only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process_group, signal.SIGKILL)


def reap(lines: IO[str]) -> None:
    """Follow the lines to their end, then kill and remove what was not taken back."""
    watched: dict[int, str] = {}
    for line in lines:
        sign, _, rest = line.rstrip("\n").partition(" ")
        group, _, folder = rest.partition(" ")
        if sign == "+":
            watched[int(group)] = folder
        else:
            watched.pop(int(group), None)
    for process_group, folder in watched.items():
        kill_group(process_group)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    reap(sys.stdin)
