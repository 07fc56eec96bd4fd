"""A log that many processes append to, for as long as they live, kept within bounds: its writer and its reader.

When the log is over `MOST_BYTES`, it is copied to `<log>.1`, which replaces an earlier copy, and emptied. It stays the
same open file, so every process continues to write to it. Output between copying and emptying is lost. The engine's own
process does this in a thread, so no other process has to outlive the command that started it::

    python -P bounded_log.py <log> <most bytes> (-c <code> | -m <module> | <file>) [argument …]

This runs in the engine's Python, not in ours: standard library only.
"""

import contextlib
import runpy
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

MOST_BYTES = 10 * 1024 * 1024
_LOOK_SECONDS = 1.0


def earlier(log: Path) -> Path:
    """The file with what was in the log before it was emptied."""
    return log.with_name(f"{log.name}.1")


def command(program: Sequence[str], log: Path, most_bytes: int = MOST_BYTES) -> list[str]:
    """The command line that runs a Python program (given as a command line) and limits the size of its log."""
    python, *arguments = program
    return [python, "-P", __file__, str(log), str(most_bytes), *(item for item in arguments if item != "-P")]


def lines(log: Path, going_on: Callable[[], bool], wait: Callable[[], None]) -> Iterator[str]:
    """The lines printed so far, oldest first, and then new ones as long as `going_on`. Waits in between."""
    copy = _identity(earlier(log))
    yield from _from(earlier(log), 0)
    with log.open("rb") as file:
        while True:
            ended = not going_on()
            if _identity(earlier(log)) != copy:
                copy = _identity(earlier(log))
                yield from _from(earlier(log), file.tell())
                file.seek(0)
            yield from map(_text, file)
            if ended:
                return
            wait()


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _from(file: Path, position: int) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError), file.open("rb") as content:
        content.seek(position)
        yield from map(_text, content)


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\n")


def shorten(log: Path) -> None:
    """Copy the log and empty it; if the disk is full, without a copy."""
    copy = log.with_name(f"{log.name}.tmp")
    with log.open("r+b") as file:
        try:
            shutil.copy(log, copy)  # with its mode
        finally:
            file.truncate(0)
    copy.replace(earlier(log))


def _keep_short(log: Path, most_bytes: int) -> None:
    while True:
        time.sleep(_LOOK_SECONDS)
        with contextlib.suppress(OSError):
            if log.stat().st_size > most_bytes:
                shorten(log)


def _run(arguments: list[str]) -> None:
    """What `python -P` does with these arguments."""
    match arguments:
        case ["-m", module, *_]:
            sys.argv = arguments[1:]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *rest]:
            sys.argv = ["-c", *rest]
            exec(code, {"__name__": "__main__"})  # noqa: S102
        case _:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    threading.Thread(target=_keep_short, args=(Path(sys.argv[1]), int(sys.argv[2])), name="log", daemon=True).start()
    _run(sys.argv[3:])
