"""Stopping ends a whole family, whatever became of its head, and nobody else."""

import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from emulator import processes
from profiles.errors import CannotRunError
from tests.support.waiting import wait_until

# A parent that starts a child in its own group, and one in a session of its own, and tells their pids.
PARENT = """
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
pids = [subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
if "hiding" in sys.argv:
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, b"%d" % subprocess.Popen(sleep, start_new_session=True, env={}).pid)
        os._exit(0)
    pids.append(int(os.read(read, 20)))
    os.wait()
print(*pids, flush=True)
time.sleep(300)
"""


STARTER = """
import pathlib, sys
from emulator import processes
folder = pathlib.Path(sys.argv[1])
head = processes.start_detached([sys.executable, "-c", "import time; time.sleep(300)"], {}, folder, folder / "log")
print(head.pid, processes.start_mark(head.pid), sep="/")
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
        head = processes.start_detached(
            [sys.executable, "-c", PARENT, *arguments], {"HOME": str(tmp_path)}, tmp_path, log
        )
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


def mark_of(process: psutil.Process) -> str:
    return processes.start_mark(process.pid)


def run_to_its_end(script: str, folder: Path, **environ: str) -> tuple[psutil.Process, str]:
    head = processes.start_detached([sys.executable, "-c", script], environ, folder, folder / "log")
    mark = mark_of(head)
    wait_until(lambda: processes.exit_code(head.pid) is not None)
    return head, mark


def test_the_whole_family_ends(started: Callable[..., list[psutil.Process]], tmp_path: Path) -> None:
    family = started()
    assert processes.stop(family[0].pid, mark_of(family[0]), tmp_path, grace_seconds=5) == []
    assert not any(map(alive, family))
    assert not processes.can_print_to(tmp_path / "log")


def test_one_that_ignores_sigterm_is_killed_after_its_grace(
    started: Callable[..., list[psutil.Process]], tmp_path: Path
) -> None:
    family = started("stubborn")
    assert processes.stop(family[0].pid, mark_of(family[0]), tmp_path, grace_seconds=0.2) == []
    assert not any(map(alive, family))


def test_what_a_killed_head_leaves_is_found_by_its_home(
    started: Callable[..., list[psutil.Process]], tmp_path: Path
) -> None:
    head, in_its_group, in_a_session_of_its_own = started()
    mark = mark_of(head)
    head.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(head))
    assert processes.running(head.pid, mark) is None
    assert processes.stop(head.pid, mark, tmp_path, grace_seconds=1) == []
    assert not alive(in_its_group)
    assert not alive(in_a_session_of_its_own)


def test_a_child_that_left_group_session_and_home_is_noticed(
    started: Callable[..., list[psutil.Process]], tmp_path: Path
) -> None:
    family = started("hiding")
    head, hidden = family[0], family[-1]
    wait_until(lambda: hidden.ppid() != head.pid)
    assert processes.stop(head.pid, mark_of(head), tmp_path, grace_seconds=1) == []
    assert alive(hidden), "nothing tells that it is ours, so it is not ended"
    assert processes.can_print_to(tmp_path / "log"), "but it is known that something is left"
    with pytest.raises(CannotRunError, match=f"has {tmp_path / 'log'} open"):
        processes.start_detached([sys.executable, "-c", ""], {}, tmp_path, tmp_path / "log")


def test_a_step_of_the_system_clock_changes_nothing(
    started: Callable[..., list[psutil.Process]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = started()
    mark, created = mark_of(family[0]), family[0].create_time()
    # By a clock that was set, the machine was booted at another time, and so was every process started.
    booted = psutil.boot_time()
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: booted + 3600)
    assert psutil.Process(family[0].pid).create_time() == pytest.approx(created + 3600)

    assert processes.running(family[0].pid, mark) is not None
    assert processes.stop(family[0].pid, mark, tmp_path, grace_seconds=5) == []
    assert not any(map(alive, family))


@pytest.mark.parametrize("mark", ["", "another-boot 1", "an id that is no mark"])
def test_another_process_of_the_same_pid_is_left_alone(
    mark: str, started: Callable[..., list[psutil.Process]], tmp_path: Path
) -> None:
    family = started()
    assert processes.running(family[0].pid, mark) is None
    assert processes.stop(family[0].pid, mark, tmp_path / "of another", grace_seconds=0) == []
    assert all(map(alive, family))


def test_another_group_of_the_same_number_is_left_alone(
    started: Callable[..., list[psutil.Process]], tmp_path: Path
) -> None:
    """After a reboot a number may be that of a group whose head is gone already."""
    head, in_its_group, _ = started()
    head.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(head))
    processes.exit_code(head.pid)
    assert processes.stop(head.pid, "another-boot 1", tmp_path / "of another", grace_seconds=0) == []
    assert alive(in_its_group)


def test_on_macos_a_process_is_known_by_its_start_and_the_boots_id(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"ps": "Tue Nov 24 22:33:02 2026\n", "sysctl": "0A1B-2C3D\n"}
    asked: list[list[str]] = []

    def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        asked.append(list(command))
        assert (options["env"]["LC_ALL"], options["env"]["TZ"]) == ("C", "UTC")
        return subprocess.CompletedProcess(command, 0, answers[command[0]])

    monkeypatch.setattr(psutil, "LINUX", False)
    monkeypatch.setattr(subprocess, "run", run)
    processes._boot.cache_clear()
    try:
        assert processes.start_mark(123) == "0A1B-2C3D Tue Nov 24 22:33:02 2026"
        assert asked == [["ps", "-o", "lstart=", "-p", "123"], ["sysctl", "-n", "kern.bootsessionuuid"]]
        answers["ps"] = ""
        assert processes.start_mark(123) == ""
    finally:
        processes._boot.cache_clear()


def test_a_process_that_is_gone_is_nothing_to_stop(tmp_path: Path) -> None:
    head, mark = run_to_its_end("raise SystemExit(3)", tmp_path)
    assert processes.exit_code(head.pid) == 3
    assert processes.stop(head.pid, mark, tmp_path, grace_seconds=0) == []


def test_a_detached_process_has_its_own_session_and_only_the_given_environment(tmp_path: Path) -> None:
    script = "import os; print(os.getsid(0) == os.getpid(), os.getcwd(), sorted(set(os.environ) - {'LC_CTYPE'}))"
    run_to_its_end(script, tmp_path, ONLY="this")
    assert (tmp_path / "log").read_text() == f"True {tmp_path.resolve()} ['ONLY']\n"


def test_its_log_begins_anew_and_is_its_owners_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text in ("first", "second"):
        run_to_its_end(f"print('{text}')", tmp_path)
    assert log.read_text() == "second\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_starter_may_end_before_the_started(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
    pid, mark = printed.strip().split("/")
    assert processes.running(int(pid), mark) is not None
    assert processes.stop(int(pid), mark, tmp_path, grace_seconds=5) == []
    assert processes.running(int(pid), mark) is None
