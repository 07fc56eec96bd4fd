"""Processes that outlive the command that started them, and how to end all of one's family.

A process is identified by its pid and its start time together, because pids are used again. Nothing is ever found by
name.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from emulator import bounded_log

_KILL_SECONDS = 10

# The engines that this very process started: as their parent it has to collect them, or they end as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start_detached(command: Sequence[str], environ: Mapping[str, str], folder: Path, log: Path) -> psutil.Process:
    """Start a Python program in a session of its own, in `folder`, printing to `log`, which is kept within bounds.

    Its pid is its process group, too.
    """
    bounded_log.earlier(log).unlink(missing_ok=True)
    log.write_bytes(b"")
    with log.open("ab") as output:
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


def exit_code(pid: int) -> int | None:
    """The exit code of an engine that this process started and that has ended; None for any other."""
    child = _children.get(pid)
    if child is None:
        return None
    with contextlib.suppress(psutil.Error):
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            child.wait()  # its first thread has ended; the others end with it, and only then is there a code
    return child.poll()


def running(pid: int, created: float) -> psutil.Process | None:
    """The process `pid` if it is the one that was started at `created`, and hasn't ended."""
    exit_code(pid)
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        return process if same else None
    except psutil.Error:
        return None


def family(pid: int, created: float) -> list[psutil.Process]:
    """The process `pid` and everything that came of it: its descendants, and those of its group or session.

    The latter are found even after `pid` itself is gone and its children belong to init. A pid isn't given out again
    while a group or session of that number exists; `created` guards against one that came later.
    """
    members: dict[int, psutil.Process] = {}
    leader = running(pid, created)
    if leader:
        members[pid] = leader
        members.update((child.pid, child) for child in _descendants(leader))
    elif psutil.pid_exists(pid) and not _is_zombie(pid):
        return []  # the number is another's by now, and so are its group and session
    for process in psutil.process_iter():
        if process.pid not in members and pid in _group_and_session(process.pid) and process.pid != os.getpid():
            members[process.pid] = process
            members.update((child.pid, child) for child in _descendants(process))
    return list(members.values())


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


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


def stop(pid: int, created: float, grace_seconds: float) -> bool:
    """End the process and its family: politely first, by force after `grace_seconds`. True if there was any."""
    members = family(pid, created)
    leader = running(pid, created)
    if leader:
        _send(leader, signal.SIGTERM)
        psutil.wait_procs([leader], timeout=grace_seconds)
    # Again, because a function may have been started meanwhile.
    remaining = {process.pid: process for process in [*members, *family(pid, created)]}
    for process in remaining.values():
        _send(process, signal.SIGKILL)
    psutil.wait_procs(list(remaining.values()), timeout=_KILL_SECONDS)
    if exit_code(pid) is not None:
        del _children[pid]
    return bool(members)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    # It may have ended meanwhile, and psutil refuses to signal another process of that pid.
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
