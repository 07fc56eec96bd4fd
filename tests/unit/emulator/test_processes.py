"""Stopping ends a whole family, whatever became of its head, and nobody else."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from emulator import processes
from tests.support.waiting import wait_until

# A parent that starts a child in its own group, and one in a session of its own, and tells their pids.
PARENT = """
import signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
print(subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid, flush=True)
time.sleep(300)
"""


STARTER = """
import pathlib, sys
from emulator import processes
folder = pathlib.Path(sys.argv[1])
head = processes.start_detached([sys.executable, "-c", "import time; time.sleep(300)"], {}, folder, folder / "log")
print(head.pid, head.create_time())
"""


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., list[psutil.Process]]]:
    everything: list[psutil.Process] = []

    def start(*arguments: str) -> list[psutil.Process]:
        log = tmp_path / "log"
        head = processes.start_detached([sys.executable, "-c", PARENT, *arguments], {}, tmp_path, log)
        everything.append(head)
        wait_until(lambda: log.read_text().endswith("\n"))
        everything.extend(psutil.Process(int(pid)) for pid in log.read_text().split())
        return list(everything)

    yield start
    for process in everything:
        if alive(process):
            process.kill()
    if everything:
        processes.exit_code(everything[0].pid)


def test_the_whole_family_ends(started: Callable[..., list[psutil.Process]]) -> None:
    family = started()
    assert processes.stop(family[0].pid, family[0].create_time(), grace_seconds=5)
    assert not any(map(alive, family))


def test_one_that_ignores_sigterm_is_killed_after_its_grace(started: Callable[..., list[psutil.Process]]) -> None:
    family = started("stubborn")
    assert processes.stop(family[0].pid, family[0].create_time(), grace_seconds=0.2)
    assert not any(map(alive, family))


def test_children_of_a_killed_head_are_found_by_its_group(started: Callable[..., list[psutil.Process]]) -> None:
    head, in_its_group, in_a_session_of_its_own = started()
    created = head.create_time()
    head.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(head))
    assert processes.running(head.pid, created) is None
    assert processes.stop(head.pid, created, grace_seconds=1)
    assert not alive(in_its_group)
    assert alive(in_a_session_of_its_own), "nothing tells that it was ours: such children have to watch their parent"


def test_another_process_of_the_same_pid_is_left_alone(started: Callable[..., list[psutil.Process]]) -> None:
    family = started()
    earlier = family[0].create_time() - 3600
    assert processes.running(family[0].pid, earlier) is None
    assert not processes.stop(family[0].pid, earlier, grace_seconds=0)
    assert all(map(alive, family))


def test_a_process_that_is_gone_is_nothing_to_stop(tmp_path: Path) -> None:
    head = processes.start_detached([sys.executable, "-c", "raise SystemExit(3)"], {}, tmp_path, tmp_path / "log")
    created = head.create_time()
    wait_until(lambda: processes.exit_code(head.pid) is not None)
    assert processes.exit_code(head.pid) == 3
    assert not processes.stop(head.pid, created, grace_seconds=0)


def test_a_detached_process_has_its_own_session_and_only_the_given_environment(tmp_path: Path) -> None:
    script = "import os; print(os.getsid(0) == os.getpid(), os.getcwd(), sorted(set(os.environ) - {'LC_CTYPE'}))"
    head = processes.start_detached([sys.executable, "-c", script], {"ONLY": "this"}, tmp_path, tmp_path / "log")
    wait_until(lambda: processes.exit_code(head.pid) is not None)
    assert (tmp_path / "log").read_text() == f"True {tmp_path.resolve()} ['ONLY']\n"


def test_the_starter_may_end_before_the_started(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    pid, created = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout.split()
    assert processes.running(int(pid), float(created)) is not None
    assert processes.stop(int(pid), float(created), grace_seconds=5)
    assert processes.running(int(pid), float(created)) is None
