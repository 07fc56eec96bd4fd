"""What an offline query may take: time, memory, and disk for what doesn't fit into the memory."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import duckdb

from analytics.result import HistoryError

SECONDS = 60
MEMORY_MIB = 1024
SPILL_GIB = 10
SECONDS_VARIABLE = "STOCKPIPE_QUERY_SECONDS"
MEMORY_VARIABLE = "STOCKPIPE_QUERY_MEMORY_MIB"
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
        """What is asked for, else what the environment's variables say, else 60 s and 1,024 MiB."""
        return cls(
            seconds or _from_environment(SECONDS_VARIABLE, SECONDS),
            memory_mib or _from_environment(MEMORY_VARIABLE, MEMORY_MIB),
        )

    @property
    def too_long(self) -> str:
        """What to say where the time is over."""
        return (
            f"the query was stopped after its limit of {self.seconds} s. "
            f"A longer one: --time-limit SECONDS, or {SECONDS_VARIABLE}"
        )

    @property
    def too_large(self) -> str:
        """What to say where the memory, or the disk space for what doesn't fit into it, is used up."""
        return (
            f"the query needs more than its limit of {self.memory_mib:,} MiB memory (and {SPILL_GIB} GiB of disk). "
            f"A larger one: --memory-limit MIB, or {MEMORY_VARIABLE}"
        )


def run_within(limit: Limits, connection: duckdb.DuckDBPyConnection, work: Callable[[], _Answer]) -> _Answer:
    """`work()` in a thread, so that the time limit and Ctrl-C end the wait at once.

    DuckDB obeys an interrupt between chunks of rows. One call of a function on one huge value can take longer: it is
    left to itself, and ends with the process.
    """
    answer: Future[_Answer] = Future()

    def worker() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:
            answer.set_exception(error)

    thread = threading.Thread(target=worker, daemon=True)
    thread.start()
    try:
        return answer.result(limit.seconds)
    except TimeoutError:
        raise HistoryError(limit.too_long) from None
    finally:
        for _ in range(_INTERRUPTS):
            if not thread.is_alive():
                break
            connection.interrupt()  # again: one that comes between two statements is lost
            thread.join(_SECONDS_PER_INTERRUPT)


def _from_environment(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text[:20]) <= HIGHEST:
        raise HistoryError(f"{variable} is {text!r}: give a whole number from 1 to {HIGHEST:,}")
    return int(text)
