"""Makes sure that no function outlives LocalStack, even if LocalStack is killed with SIGKILL.

A small process of its own waits at the other end of a pipe. It is told which process groups are running and which
folders are theirs; when the pipe closes, LocalStack has ended, for whatever reason. It then kills the groups and
removes the folders. It needs only POSIX, so it also works on macOS. One process serves all functions. It leads a
session of its own, so that a signal to LocalStack's process group doesn't reach it.

Lines on the pipe: `+` or `-`, a space, then `group <number>` or `folder <path>`: it exists, or it is gone.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import IO


class Reaper:
    """LocalStack's end of the pipe. Safe to use from several threads; starts the process when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watched: set[str] = set()

    def watch(self, item: str) -> None:
        """Kill this group, or remove this folder, if LocalStack vanishes: `group <number>` or `folder <path>`."""
        with self._lock:
            self._watched.add(item)
            self._tell(f"+ {item}\n")

    def forget(self, item: str) -> None:
        """This group has ended, or this folder is removed."""
        with self._lock:
            self._watched.discard(item)
            self._tell(f"- {item}\n")

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()
            line = "".join(f"+ {item}\n" for item in self._watched)
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
    """Kill a whole process group; one that has ended already is no error."""
    # macOS answers EPERM for a group of which only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process_group, signal.SIGKILL)


def reap(lines: IO[str]) -> None:
    """Follow the lines to their end, then kill and remove what is still watched."""
    watched: set[str] = set()
    for line in lines:
        sign, _, item = line.rstrip("\n").partition(" ")
        if sign == "+":
            watched.add(item)
        else:
            watched.discard(item)
    for item in sorted(watched, reverse=True):  # groups before the folders that they write to
        kind, _, name = item.partition(" ")
        if kind == "group":
            kill_group(int(name))
        else:
            shutil.rmtree(name, ignore_errors=True)


if __name__ == "__main__":
    reap(sys.stdin)
