"""An offline query has a time and a memory limit, and leaves nothing behind."""
# ruff: noqa: S608  (the SQL is made of constants)

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from analytics import HistoryError, run_query
from analytics.limits import Limits, run_within
from analytics.scratch import scratch_folder
from profiles.folders import cache_folder
from tests.support.command_line import stockpipe
from tests.support.history_data import key_of, made_tick, record
from tests.support.waiting import wait_until
from tests.unit.analytics.conftest import History

TEN = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10))"
ENDLESS = f"SELECT COUNT(*) FROM {', '.join(f'{TEN} AS t{n}' for n in range(15))}"
ROWS = f"SELECT t0.* FROM {', '.join(f'{TEN} AS t{n}(x{n})' for n in range(7))}"  # 10,000,000
SPILLS = f"SELECT x0, x1 FROM {', '.join(f'{TEN} AS t{n}(x{n})' for n in range(7))} ORDER BY random()"


def ask(history: History, sql: str, limit: Limits) -> None:
    run_query(history.environment, sql, "duckdb", limit=limit)


def scratch() -> list[Path]:
    return sorted((cache_folder() / "scratch").glob("*"))


def test_a_query_that_would_run_for_ever_is_stopped_at_its_limit(history: History) -> None:
    started = time.monotonic()
    with pytest.raises(HistoryError, match=r"stopped after its time limit of 1 s\. .*--time-limit"):
        ask(history, ENDLESS, Limits(1, 1024))
    assert time.monotonic() - started < 10
    assert scratch() == []


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(ROWS, id="rows"),
        pytest.param(f"SELECT array_agg(x1) AS x FROM ({ROWS.replace('t0.*', 'x1')})", id="one value"),
    ],
)
def test_memory_that_is_used_up_is_one_line(history: History, sql: str) -> None:
    with pytest.raises(HistoryError, match=r"needs more than its limit of 32 MiB .*--memory-limit") as refused:
        ask(history, sql, Limits(60, 32))
    assert "\n" not in str(refused.value)
    assert scratch() == []


def test_what_does_not_fit_into_memory_is_spilled_into_a_private_folder(history: History) -> None:
    seen: list[tuple[int, int]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for folder in scratch():
                files = list(folder.glob("*"))
                if files:
                    seen.append((stat.S_IMODE(folder.stat().st_mode), len(files)))
                    return
            done.wait(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = os.umask(0)
    try:
        with pytest.raises(HistoryError, match=r"limit of (32 MiB|20 s)"):
            ask(history, SPILLS, Limits(20, 32))
    finally:
        os.umask(before)
        done.set()
        watcher.join()
    assert [mode for mode, _ in seen] == [0o700]
    assert scratch() == []


def test_limits_come_from_options_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_QUERY_SECONDS", "7")
    monkeypatch.setenv("STOCKPIPE_QUERY_MIB", "77")
    assert Limits.chosen() == Limits(7, 77)
    assert Limits.chosen(9, 99) == Limits(9, 99)
    for bad in ("0", "-1", "nan", "1e9", "10000001", "9" * 5000, "²"):
        monkeypatch.setenv("STOCKPIPE_QUERY_SECONDS", bad)
        with pytest.raises(HistoryError, match="STOCKPIPE_QUERY_SECONDS"):
            Limits.chosen()


def test_the_help_says_the_limits() -> None:
    shown = " ".join(re.sub(r"[^\w ,-]", " ", stockpipe("query", "--help").stdout).split())
    assert "Default 60, or STOCKPIPE_QUERY_SECONDS" in shown
    assert "Default 1024, or STOCKPIPE_QUERY_MIB" in shown, shown


def test_ctrl_c_at_any_moment_stops_the_query() -> None:
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for seconds in (0, 0.3):
            with duckdb.connect() as connection:
                ended = threading.Event()

                def interrupted(
                    connection: duckdb.DuckDBPyConnection = connection,
                    seconds: float = seconds,
                    ended: threading.Event = ended,
                ) -> None:
                    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
                    try:
                        connection.execute(ENDLESS)
                    finally:
                        ended.set()

                with pytest.raises(KeyboardInterrupt):
                    run_within(Limits(60, 1024), connection, interrupted)
                assert ended.wait(10)
    finally:
        signal.signal(signal.SIGINT, old)


def start(history: History, sql: str, *options: str) -> subprocess.Popen[str]:
    """`stockpipe query` as a process of its own, on the test's bucket."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from stockpipe.cli import app\nfrom terminal.commands import run\nfrom terminal.environment import Naming\n"
        "from profiles.session import open_endpoint\n"
        "from tests.support.environments import at, stock_names\n"
        f"names = stock_names('000000000000', bucket_override={history.names.bucket!r})\n"
        f"environment = at(open_endpoint({history.s3.endpoint_url!r}), names)\n"
        "Naming.at = lambda *_: environment\n"
        "run(app)\n"
    )
    arguments = [sys.executable, "-c", program, "query", "--engine", "duckdb", "--sql", sql, *options]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_ctrl_c_ends_at_once_and_what_kill_9_leaves_is_removed_by_the_next_query(
    history: History, number: signal.Signals, code: int
) -> None:
    history.put(key_of(made_tick(1)), record(made_tick(1)))
    child = start(history, f"{ENDLESS}, records")
    try:
        # the query runs when the record is cached and its own scratch folder is the only one
        wait_until(lambda: list((cache_folder() / "history").glob("*/*.parquet")) and len(scratch()) == 1)
        child.send_signal(number)
        started = time.monotonic()
        said = child.communicate(timeout=60)[1]
    finally:
        child.kill()
    assert child.returncode == code, said
    assert time.monotonic() - started < 10
    assert "Traceback" not in said
    assert len(scratch()) == (1 if number == signal.SIGKILL else 0)
    with scratch_folder() as mine:
        assert scratch() == [mine]


def test_a_function_call_that_obeys_no_interrupt_does_not_outlive_the_command(history: History) -> None:
    sql = "SELECT levenshtein_distance(rpad('', 900000, 'a'), rpad('', 900000, 'b')) AS x"  # minutes
    child = start(history, sql, "--time-limit", "1")
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 2
    assert re.fullmatch(r"error: the query was stopped after its time limit of 1 s\. .*\n", said)
    assert scratch() == []


def test_ctrl_c_does_not_wait_for_an_endpoint_that_never_answers() -> None:
    program = (
        "import os, signal, threading; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from analytics.objects import in_parallel\n"
        "asked = lambda _: (os.write(1, b'asked\\n'), threading.Event().wait())\n"  # in one write, from many threads
        "list(in_parallel(asked, range(40)))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "asked\n"
        child.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in child.communicate(timeout=20)[1]
    finally:
        child.kill()
