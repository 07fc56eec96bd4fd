"""Environments are built once, by one process, and completely."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from emulator import environments
from emulator.environments import Environment, Package
from emulator.interpreters import Interpreter
from profiles.errors import CannotRunError

PYTHON = Interpreter(Path("/opt/python"), "3.99.1")


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "environments" / "engine-1234"


class Builder:
    """Counts; leaves a file, and with `fail` ends in the middle."""

    def __init__(self, fail: bool = False) -> None:
        self.built = 0
        self.fail = fail

    def __call__(self, folder: Path) -> None:
        assert not folder.exists(), "whatever was left from an interrupted build is gone"
        self.built += 1
        folder.mkdir(parents=True)
        (folder / "half").touch()
        if self.fail:
            raise CannotRunError("no index")
        (folder / "whole").touch()


def ignore(_text: str) -> None: ...


def test_it_is_built_once(folder: Path) -> None:
    builder = Builder()
    environments.ensure_folder(folder, "The Engine", builder, ignore)
    environments.ensure_folder(folder, "The Engine", builder, ignore)
    assert builder.built == 1
    assert (folder / "whole").exists()


def test_an_interrupted_build_is_done_again(folder: Path) -> None:
    with pytest.raises(CannotRunError):
        environments.ensure_folder(folder, "The Engine", Builder(fail=True), ignore)
    builder = Builder()
    environments.ensure_folder(folder, "The Engine", builder, ignore)
    assert builder.built == 1
    assert (folder / "whole").exists()


def test_an_environments_key_changes_with_its_lock_and_its_interpreter(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    environment = Environment("engine", "The Engine", lock)
    lock.write_text("a==1\n")
    pythons = [PYTHON, Interpreter(PYTHON.path, "3.99.2"), Interpreter(Path("/b"), "3.99.1")]
    keys = {environment.key(python) for python in pythons}
    lock.write_text("a==2\n")
    keys.add(environment.key(PYTHON))
    assert len(keys) == 4


def test_a_packages_key_changes_with_its_source_and_not_with_what_python_leaves_there(tmp_path: Path) -> None:
    (tmp_path / "plugin" / "__pycache__").mkdir(parents=True)
    source = tmp_path / "plugin" / "plugin.py"
    source.write_text("x = 1\n")
    package = Package("plugin", "The plugin", (tmp_path / "plugin",))
    before = package.key(PYTHON)
    (tmp_path / "plugin" / "__pycache__" / "plugin.pyc").write_bytes(b"compiled")
    assert package.key(PYTHON) == before
    source.write_text("x = 2\n")
    changed = package.key(PYTHON)
    source.rename(source.with_name("other.py"))
    assert len({before, changed, package.key(PYTHON)}) == 3


FIRST_USE = """
import pathlib, sys, time
from emulator import environments
folder = pathlib.Path(sys.argv[1])

def build(target):
    with (folder / "builds").open("a") as log:
        log.write("built\\n")
    deadline = time.monotonic() + 30  # until the other one is known to wait, so that they do overlap
    while not (folder / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    target.mkdir(parents=True)
    (target / "whole").touch()

def observer(text):
    if "another process" in text:
        (folder / "waiting").touch()

environments.ensure_folder(folder / "environment", "The Engine", build, observer)
assert (folder / "environment" / "whole").exists()
"""


def test_of_two_first_starts_one_builds_and_the_other_waits(tmp_path: Path) -> None:
    script = [sys.executable, "-c", FIRST_USE, str(tmp_path)]
    both = [subprocess.Popen(script, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in both] == [("", 0), ("", 0)]
    assert (tmp_path / "builds").read_text() == "built\n"
    assert (tmp_path / "waiting").exists()


KILLED = """
import pathlib, sys
from emulator import environments
folder = pathlib.Path(sys.argv[1])
step = (
    "import pathlib, time; folder = pathlib.Path(" + repr(sys.argv[1]) + "); (folder / 'writing').touch();"
    "[time.sleep(0.01) for _ in iter(lambda: (folder / 'waiting').exists(), True)]; (folder / 'written').touch()"
)
environments.ensure_folder(
    folder / "environment",
    "The Engine",
    lambda target: environments.run([sys.executable, "-c", step], folder, "The Engine", print),
    print,
)
"""


def test_a_step_that_outlives_a_killed_set_up_is_waited_for(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (tmp_path / "writing").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.kill()
    first.wait(30)

    def observer(text: str) -> None:
        if "another process" in text:
            (tmp_path / "waiting").touch()

    def builder(folder: Path) -> None:
        assert (tmp_path / "written").exists()
        folder.mkdir()

    environments.ensure_folder(tmp_path / "environment", "The Engine", builder, observer)
    assert (tmp_path / "waiting").exists()


def test_a_set_up_that_fails_says_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("this is no requirement\n")
    broken = Environment("engine", "The Engine 1.0", tmp_path / "requirements.lock")
    (tmp_path / "cache").mkdir()
    with pytest.raises(
        CannotRunError, match=r"The Engine 1\.0 could not be set up: .*requirements\.lock.*UV_DEFAULT_INDEX"
    ):
        environments.ensure(broken, Interpreter(Path(sys.executable), "3.11.0"), ignore)
