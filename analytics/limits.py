"""The limits of an offline query: time, memory, and disk space for what doesn't fit into memory."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

import duckdb

from analytics.result import HistoryError
from terminal import EXIT_CANNOT_RUN

EXIT_INTERRUPTED = 130

SECONDS = 60
MEMORY_MIB = 1024
SPILL_GIB = 10
SECONDS_VARIABLE = "STOCKPIPE_QUERY_SECONDS"
MEMORY_VARIABLE = "STOCKPIPE_QUERY_MIB"
HIGHEST = 10**7  # of both: 115 days, 9.5 TiB

_INTERRUPTS = 10
_SECONDS_PER_INTERRUPT = 0.1

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Limits:
    """`seconds` of DuckDB's work on the query; `memory_mib` of DuckDB's memory, and as much for the rows."""

    seconds: int
    memory_mib: int

    @classmethod
    def chosen(cls, seconds: int | None = None, memory_mib: int | None = None) -> "Limits":
        """The given limits, else those of the environment variables, else 60 s and 1,024 MiB."""
        return cls(
            seconds or _from_environment(SECONDS_VARIABLE, SECONDS),
            memory_mib or _from_environment(MEMORY_VARIABLE, MEMORY_MIB),
        )

    @property
    def too_long(self) -> str:
        """The message when the time limit is exceeded."""
        return (
            f"the query was stopped after its time limit of {self.seconds} s. "
            f"To raise the limit, set {SECONDS_VARIABLE}, or use query --time-limit SECONDS"
        )

    @property
    def too_large(self) -> str:
        """The message when the memory limit, or the disk space for what doesn't fit into memory, is exceeded."""
        return (
            f"the query needs more than its limit of {self.memory_mib:,} MiB of memory (and {SPILL_GIB} GiB of disk). "
            f"To raise the memory limit, set {MEMORY_VARIABLE}, or use query --memory-limit MIB"
        )


def run_within(limit: Limits, connection: duckdb.DuckDBPyConnection, work: Callable[[], _Answer]) -> _Answer:
    """`work()` in a thread, so that the time limit and Ctrl-C end the wait at once.

    DuckDB obeys an interrupt between chunks of rows. One function call on one huge value can take longer: the caller
    doesn't wait for it, and it ends with the process at the latest.
    """
    answer: Future[_Answer] = Future()

    def worker() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:
            answer.set_exception(error)

    thread = threading.Thread(target=worker, daemon=True)
    try:
        thread.start()
        return answer.result(limit.seconds)
    except TimeoutError:
        _interrupt(answer, connection, EXIT_CANNOT_RUN)
        raise HistoryError(limit.too_long) from None
    except KeyboardInterrupt:
        _interrupt(answer, connection, EXIT_INTERRUPTED)
        raise


def _interrupt(answer: Future[_Answer], connection: duckdb.DuckDBPyConnection, exit_code: int) -> None:
    atexit.register(_leave, answer, exit_code)
    for _ in range(_INTERRUPTS):
        connection.interrupt()  # again: one that comes between two statements is lost
        if wait([answer], _SECONDS_PER_INTERRUPT).done:
            return


def _leave(answer: Future[_Answer], exit_code: int) -> None:
    """Python would end a thread that is still inside DuckDB by aborting the process."""
    if not answer.done():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def _from_environment(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text[:20]) <= HIGHEST:
        raise HistoryError(f"{variable} is {text!r}: give a whole number from 1 to {HIGHEST:,}")
    return int(text)
