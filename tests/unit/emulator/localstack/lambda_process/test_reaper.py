"""No function outlives LocalStack, however that ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from emulator.localstack.lambda_process import reaper

# Stands in for LocalStack: starts two "functions", takes one back, and waits to be ended.
OWNER = """
import subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from reaper import Reaper
watcher = Reaper()
kept, ended = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2))
watcher.watch("folder " + sys.argv[2])
watcher.watch("folder " + sys.argv[3])
watcher.watch(f"group {kept.pid}")
watcher.watch(f"group {ended.pid}")
watcher.forget(f"group {ended.pid}")
watcher.forget("folder " + sys.argv[3])
print(kept.pid, ended.pid, watcher._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_still_watched_ends_with_its_owner(tmp_path: Path, how: signal.Signals) -> None:
    folder = tmp_path / "sandbox with a space"
    folder.mkdir()
    (folder / "file").touch()
    other = tmp_path / "other"
    other.mkdir()
    module_folder = str(Path(reaper.__file__).parent)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, module_folder, str(folder), str(other)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    kept, ended, watcher = map(int, owner.stdout.readline().split())

    try:
        owner.send_signal(how)
        owner.wait(timeout=20)

        wait_until_gone(kept)
        wait_until_gone(watcher)
        assert not folder.exists()
        assert other.exists(), "what was taken back is none of its business any more"
        assert psutil.pid_exists(ended), "what was taken back is none of its business any more"
    finally:
        reaper.kill_group(ended)
        owner.stdout.close()


def test_killing_a_group_that_is_gone_is_fine() -> None:
    process = subprocess.Popen(["true"], start_new_session=True)
    process.wait()

    reaper.kill_group(process.pid)

    assert process.returncode == 0


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)
