"""Stop says "stopped" only when nothing is left, whatever became of the clock, the record, the folder or the port."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from emulator import engines, environments, lifecycle, processes, state
from profiles import folders
from profiles.errors import CannotRunError
from tests.support.command_line import stockpipe
from tests.support.small_engine import small_engine
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def _small_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(environments, "ensure", lambda *_: Path(sys.executable))
    monkeypatch.setattr(engines, "ENGINES", {"ministack": small_engine()})


@pytest.fixture
def running(free_port: int) -> Iterator[psutil.Process]:
    engine = psutil.Process(lifecycle.start("ministack", free_port).pid)
    yield engine
    if engine.is_running():
        engine.kill()
        lifecycle.stop(free_port)


def record_path(port: int) -> Path:
    return state.state_folder() / f"{port}.json"


def write_record(port: int, **identity: Any) -> None:
    fields = {"engine": "ministack", "version": "1", "port": port, "endpoint_url": f"http://127.0.0.1:{port}"}
    record_path(port).write_text(json.dumps({**fields, **identity}))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def nothing_is_left(port: int) -> bool:
    return not (listens(port) or record_path(port).exists() or state.private_folder(port).exists())


def test_a_step_of_the_system_clock_hides_no_engine(
    running: psutil.Process, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    booted = psutil.boot_time()
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: booted - 86_400)

    assert [(entry.state, entry.pid) for entry in lifecycle.status(free_port)] == [("running", running.pid)]
    assert lifecycle.start("ministack", free_port).already_running
    assert lifecycle.stop(free_port)
    assert nothing_is_left(free_port)


@pytest.mark.parametrize("step", [0, 86_400])
@pytest.mark.usefixtures("running")
def test_a_record_of_an_older_version_is_understood_also_after_a_clock_step(step: int, free_port: int) -> None:
    fields = json.loads(record_path(free_port).read_text())
    del fields["started"]
    fields["created"] = psutil.Process(fields["pid"]).create_time() + step
    record_path(free_port).write_text(json.dumps(fields))

    assert [(entry.state, entry.pid) for entry in lifecycle.status()] == [("running", fields["pid"])]
    assert lifecycle.stop(free_port)
    assert nothing_is_left(free_port)


@pytest.mark.parametrize("identity", [{"started": "another-boot 1"}, {"created": 1.0}])
def test_a_record_whose_pid_is_another_process_now_harms_nobody(identity: dict[str, Any], free_port: int) -> None:
    fields = {"engine": "ministack", "version": "1", "port": free_port, "pid": os.getppid()}
    record_path(free_port).write_text(
        json.dumps({**fields, "endpoint_url": f"http://127.0.0.1:{free_port}", **identity})
    )

    assert lifecycle.status(free_port)[0].state == "gone"
    assert lifecycle.stop(free_port)
    assert psutil.pid_exists(os.getppid())
    assert nothing_is_left(free_port)


GARBAGE = [
    "",
    "{",
    "[]",
    "null",
    "[" * 100_000,
    '{"engine": 1}',
    '{"engine": [], "version": {}, "port": "x", "pid": "1", "started": 0, "endpoint_url": null}',
    '{"pid": 1e400, "created": "yesterday"}',
    '{"engine": "ministack", "version": "1", "port": PORT, "pid": 1, "started": "", "endpoint_url": "http://example.com:1"}',
    "\x00\xff",
]


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
def test_a_record_that_cannot_be_read_is_said_so_and_can_be_stopped(text: str, free_port: int) -> None:
    record_path(free_port).write_bytes(text.replace("PORT", str(free_port)).encode("latin-1"))

    assert [(entry.port, entry.state) for entry in lifecycle.status()] == [(free_port, "damaged")]
    assert lifecycle.stop(free_port)
    assert lifecycle.status() == []


def test_status_says_which_record_cannot_be_read(free_port: int) -> None:
    record_path(free_port).write_text("{")

    shown = stockpipe("emulator", "status")

    assert shown.exit_code == 1
    assert "its record can't be read (stop removes it)" in shown.output


@pytest.mark.parametrize("damage", [lambda path: path.write_text("{"), Path.unlink])
def test_an_engine_whose_record_is_lost_is_found_by_its_folder(
    damage: Any, running: psutil.Process, free_port: int
) -> None:
    damage(record_path(free_port))

    with pytest.raises(
        CannotRunError, match=rf"still runs \(pid {running.pid}\), but its record can't be read: end it"
    ):
        lifecycle.start("ministack", free_port)
    assert running.is_running(), "its data is not thrown away"
    assert lifecycle.stop(free_port)
    assert nothing_is_left(free_port)


@pytest.mark.parametrize(("suffix", "said"), [("lock", "can't be opened"), ("log", "can't be written")])
def test_a_folder_where_a_file_should_be_is_one_line(suffix: str, said: str, free_port: int) -> None:
    path = state.state_folder() / f"{free_port}.{suffix}"
    path.mkdir()
    with pytest.raises(CannotRunError, match=f"the {suffix} {path} {said}: Is a directory"):
        lifecycle.start("ministack", free_port)
    assert nothing_is_left(free_port)


@pytest.mark.parametrize("name", ["²", "0", "65536", "99999999999999999999", "-1", "x"])
def test_a_file_whose_name_is_no_port_is_no_record(name: str) -> None:
    (state.state_folder() / f"{name}.json").write_text("{}")
    assert lifecycle.status() == []


def test_a_stop_that_is_interrupted_can_be_run_again(
    running: psutil.Process, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lifecycle.stop(free_port)
    assert not running.is_running()
    assert lifecycle.stop(free_port)
    assert nothing_is_left(free_port)


@pytest.mark.usefixtures("running")
def test_of_two_stops_at_once_one_does_it_and_the_other_finds_nothing(free_port: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lifecycle.stop, [free_port] * 2)) == [False, True]
    assert nothing_is_left(free_port)


def stop_command(port: int) -> str:
    """`stockpipe emulator stop` as its user sees it: it must fail, and must not say that anything was stopped."""
    result = stockpipe("emulator", "stop", "--port", str(port))
    assert result.exit_code == 2
    assert "stopped the emulator" not in result.output
    assert "\n" not in result.error
    return result.error


@pytest.mark.usefixtures("running")
def test_a_folder_that_cannot_be_removed_is_one_line(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refused)
        said = stop_command(free_port)
    assert said == f"the folder {state.private_folder(free_port)} can't be removed: Permission denied"
    assert lifecycle.stop(free_port), "later it can"


def test_a_process_that_cannot_be_ended_is_named_and_keeps_its_data(
    running: psutil.Process, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(processes, "_send", lambda *_: None)  # as if it were another user's
        patch.setattr(processes, "KILL_SECONDS", 0)
        said = stop_command(free_port)
    assert f"ministack 1.5.33 on port {free_port} can't be stopped: pid {running.pid} still runs" in said
    assert state.private_folder(free_port).exists()
    assert lifecycle.status(free_port)[0].state == "running"


def test_an_engine_that_runs_where_it_cannot_be_seen_keeps_its_data(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container with the same state folder: its pid means nothing here, but it holds the lock of its log."""
    monkeypatch.setattr(processes, "KILL_SECONDS", 0)
    lifecycle.start("ministack", free_port)
    lifecycle.stop(free_port)
    write_record(free_port, pid=1, started="this boot 1")
    state.private_folder(free_port).mkdir()
    script = "import fcntl, sys, time; fcntl.flock(log := open(sys.argv[1]), 2); print(flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, str(state.log_path(free_port))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unseen:
        assert unseen.stdout
        unseen.stdout.readline()
        said = stop_command(free_port)
        assert "can't be stopped from here" in said
        assert state.private_folder(free_port).exists()
        with pytest.raises(CannotRunError, match="can't be stopped from here"):
            lifecycle.start("ministack", free_port)
        unseen.kill()
    assert lifecycle.stop(free_port)


def test_another_one_that_answers_on_the_port_is_not_called_stopped(
    running: psutil.Process, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "identify", lambda _url: None)
    running.send_signal(signal.SIGKILL)
    wait_until(lambda: lifecycle.status(free_port)[0].state == "gone")
    with socket.create_server(("127.0.0.1", free_port)):
        said = stop_command(free_port)
    assert said.endswith(f"was stopped, but something else answers on port {free_port}: not an engine of ours")


@pytest.mark.usefixtures("running")
def test_with_all_the_others_are_stopped_and_what_failed_is_said(free_port: int) -> None:
    (state.state_folder() / "1.json").mkdir()

    result = stockpipe("emulator", "stop", "--all")

    assert f"stopped the emulator on port {free_port}: " in result.output
    assert "port 1:" not in result.output
    assert result.error == f"{record_path(1)} can't be removed: Is a directory"
    record_path(1).rmdir()


def test_a_lock_that_never_comes_free_is_one_line(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_LOCK_SECONDS", 0.05)
    said: list[str] = []
    lock = state.state_folder() / f"{free_port}.lock"
    with state.locked(lock), pytest.raises(CannotRunError, match=f"another command has held the lock {lock} for 0 s"):
        lifecycle.stop(free_port, said.append)
    assert said == [f"another command is busy with port {free_port}: waiting"]


@pytest.mark.usefixtures("running")
def test_stop_says_what_is_kept_with_its_path(free_port: int) -> None:
    manifests = folders.manifests_folder()
    manifests.mkdir()

    result = stockpipe("emulator", "stop", "--port", str(free_port))

    assert result.stdout.splitlines()[-1] == (
        f"kept: its log ({state.log_path(free_port)}), the manifests of what was sent ({manifests}), "
        f"the caches ({folders.cache_folder()})"
    )
    assert state.log_path(free_port).exists()


@pytest.mark.usefixtures("running")
def test_what_an_engine_has_is_its_owners_alone(free_port: int) -> None:
    folder = state.private_folder(free_port)
    made = [folder, folder.parent, folder / "home", folder / "tmp", folder / "data"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}
    files = [state.log_path(free_port), record_path(free_port)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
