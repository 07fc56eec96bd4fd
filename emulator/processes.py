"""Processes that outlive the command that started them, and how to end them with all processes that they started.

A process is identified by its pid and its start mark together, because pids are reused. The processes that it started
are found as its descendants, its process group and session, and by their home or temporary folder, which is inherited
and is in the engine's private folder. No process is looked up by name, and no other process is ended.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import psutil

from emulator import bounded_log
from profiles.errors import CannotRunError
from profiles.folders import private_file

KILL_SECONDS = 10.0
_POLL_SECONDS = 0.02

# The engines that this very process started: as their parent it has to collect them, or they end as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start_detached(command: Sequence[str], environ: Mapping[str, str], folder: Path, log: Path) -> psutil.Process:
    """Start a Python program in a session of its own, in `folder`, printing to `log`, which is kept within bounds.

    Its pid is its process group, too.
    Raises `CannotRunError` while an earlier one still prints there, or if nothing can be written there.
    """
    try:
        opened = private_file(str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        raise CannotRunError(f"the log {log} can't be written: {error.strerror}") from error
    with os.fdopen(opened, "ab") as output:
        try:
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)  # see `can_print_to`
        except BlockingIOError:
            raise CannotRunError(f"a process of an earlier engine still runs: it has {log} open") from None
        output.truncate(0)
        bounded_log.earlier(log).unlink(missing_ok=True)
        child = subprocess.Popen(
            bounded_log.command(command, log),
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[child.pid] = child
    return psutil.Process(child.pid)


def can_print_to(log: Path, *, for_seconds: float = 0) -> bool:
    """Whether a process that was started with this log, or that inherited it, is alive anywhere.

    The log's lock is inherited with the open file, and ends with the last process that has it. So this also detects
    processes that can't be seen from here: in another container, or another user's. A killed process with many threads
    may hold it for a moment after it has become a zombie: the lock is tried `for_seconds`.
    """
    deadline = time.monotonic() + for_seconds
    with contextlib.suppress(OSError), log.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return True
                time.sleep(_POLL_SECONDS)
            else:
                return False
    return False


def exit_code(pid: int) -> int | None:
    """The exit code of an engine that this process started and that has ended; None for any other."""
    child = _children.get(pid)
    if child is None:
        return None
    with contextlib.suppress(psutil.Error):
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            child.wait()  # its first thread has ended; the others end with it, and only then is there a code
    return child.poll()


def start_mark(pid: int) -> str:
    """Distinguishes the process `pid` from all others that have this pid at another time; empty if there is none.

    It is the id of this boot and the start of the process as the kernel recorded it: on Linux in clock ticks
    since the boot (`starttime` in proc_pid_stat(5)), on macOS by the clock of that moment (`p_starttime`). Neither
    changes when the system clock is set. (psutil's create_time() does: it follows the clock.)
    """
    if not psutil.LINUX:
        started = _printed("ps", "-o", "lstart=", "-p", str(pid))
        return started and f"{_boot()} {started}"
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f"{_boot()} {stat.rpartition(')')[2].split()[19]}"


@cache
def _boot() -> str:
    """The kernel's id of this boot. Empty in a sandbox that hides it."""
    if not psutil.LINUX:
        return _printed("sysctl", "-n", "kern.bootsessionuuid")
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return ""


def _printed(*command: str) -> str:
    environ = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False).stdout.strip()


def running(pid: int, mark: str) -> psutil.Process | None:
    """The process `pid` if it has this start mark and hasn't ended."""
    exit_code(pid)
    if not mark or start_mark(pid) != mark:
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if _alive(process):
            return process
    return None


def family(pid: int, mark: str, folder: Path) -> list[psutil.Process]:
    """All live processes of the engine: itself, its descendants, its group and session, and those of `folder`.

    Group and session count only while the engine itself is alive: after that, their ids can be reused.
    """
    leader = running(pid, mark)
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if lives_in(process, folder) or (leader and pid in {process.pid, *_group_and_session(process.pid)}):
            found.update((member.pid, member) for member in (process, *_descendants(process)))
    found.pop(os.getpid(), None)
    return [process for process in found.values() if _alive(process)]


def lives_in(process: psutil.Process, folder: Path) -> bool:
    """Whether its home or its temporary folder is in `folder`, which is true of every process of an engine."""
    try:
        environ = process.environ()
    except (psutil.Error, OSError):  # another user's, or gone
        return False
    places = [environ.get("HOME", ""), environ.get("TMPDIR", "")]
    return any(Path(place).is_relative_to(base) for place in places for base in (folder, folder.resolve()))


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _group_and_session(pid: int) -> tuple[int, int]:
    try:
        return os.getpgid(pid), os.getsid(pid)
    except OSError:
        return -1, -1


def stop(pid: int, mark: str, folder: Path, grace_seconds: float) -> list[psutil.Process]:
    """End all processes of the engine: SIGTERM, and SIGKILL after `grace_seconds`. Returns those that still run."""
    members = family(pid, mark, folder)
    if leader := running(pid, mark):
        _send(leader, signal.SIGTERM)
        _wait_for_the_end(grace_seconds, [leader])
    deadline = time.monotonic() + KILL_SECONDS
    while left := _still_alive(members, family(pid, mark, folder)):  # again: a function may have been started meanwhile
        if time.monotonic() > deadline:
            return left
        for process in left:
            _send(process, signal.SIGKILL)
        _wait_for_the_end(1, left)
    if exit_code(pid) is not None:
        del _children[pid]
    return []


def _wait_for_the_end(seconds: float, processes: list[psutil.Process]) -> None:
    """Wait until all have ended; psutil would also wait until their parent has reaped them."""
    deadline = time.monotonic() + seconds
    while _still_alive(processes) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _still_alive(*groups: list[psutil.Process]) -> list[psutil.Process]:
    found = {process.pid: process for group in groups for process in group}
    return [process for process in found.values() if _alive(process)]


def _send(process: psutil.Process, number: signal.Signals) -> None:
    # It may have ended meanwhile, or be another user's; psutil refuses to signal another process of that pid.
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
