"""Environments are built once, by one process, and completely."""

import subprocess
import sys
from pathlib import Path

import pytest

from emulator import environments
from emulator.environments import Environment
from emulator.interpreters import Interpreter
from emulator.state import Observer
from profiles.errors import CannotRunError

PYTHON = Interpreter(Path("/opt/python"), "3.99.1")


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "plugin" / "__pycache__").mkdir(parents=True)
    (tmp_path / "plugin" / "plugin.py").write_text("x = 1\n")
    (tmp_path / "requirements.lock").write_text("a==1\n")
    return Environment("engine", "The Engine 1.0", tmp_path / "requirements.lock", tmp_path / "plugin")


class Builder:
    """Counts; makes what a real build makes."""

    def __init__(self, fail: bool = False) -> None:
        self.built: list[Path] = []
        self.fail = fail

    def __call__(self, _environment: Environment, _python: Interpreter, folder: Path, _observer: Observer) -> None:
        assert not folder.exists(), "whatever was left from an interrupted build is gone"
        self.built.append(folder)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()
        if self.fail:
            raise CannotRunError("no index")


def ignore(_text: str) -> None: ...


def test_it_is_built_once(environment: Environment) -> None:
    builder = Builder()
    first = environments.ensure(environment, PYTHON, ignore, builder)
    second = environments.ensure(environment, PYTHON, ignore, builder)
    assert first == second
    assert first.exists()
    assert len(builder.built) == 1


def test_an_interrupted_build_is_done_again(environment: Environment) -> None:
    with pytest.raises(CannotRunError):
        environments.ensure(environment, PYTHON, ignore, Builder(fail=True))
    builder = Builder()
    assert environments.ensure(environment, PYTHON, ignore, builder).exists()
    assert len(builder.built) == 1


def test_its_folder_changes_with_everything_that_goes_into_it(environment: Environment, tmp_path: Path) -> None:
    before = environment.key(PYTHON)
    (tmp_path / "plugin" / "__pycache__" / "plugin.pyc").write_bytes(b"compiled")
    assert environment.key(PYTHON) == before
    keys = {
        before,
        environment.key(Interpreter(PYTHON.path, "3.99.2")),
        environment.key(Interpreter(Path("/b"), "3.99.1")),
    }
    environment.lock.write_text("a==2\n")
    keys.add(environment.key(PYTHON))
    (tmp_path / "plugin" / "plugin.py").write_text("x = 2\n")
    keys.add(environment.key(PYTHON))
    assert len(keys) == 5


FIRST_USE = """
import pathlib, sys, time
from emulator import environments
from emulator.environments import Environment
from emulator.interpreters import Interpreter
folder = pathlib.Path(sys.argv[1])

def build(environment, interpreter, target, observer):
    with (folder / "builds").open("a") as log:
        log.write("built\\n")
    deadline = time.monotonic() + 30  # until the other one is known to wait, so that they do overlap
    while not (folder / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").touch()

def observer(text):
    if "another process" in text:
        (folder / "waiting").touch()

environment = Environment("engine", "The Engine", folder / "requirements.lock")
python = environments.ensure(environment, Interpreter(pathlib.Path("/opt/python"), "3.99.1"), observer, build)
assert python.exists()
"""


def test_of_two_first_starts_one_builds_and_the_other_waits(environment: Environment, tmp_path: Path) -> None:
    script = [sys.executable, "-c", FIRST_USE, str(tmp_path)]
    both = [subprocess.Popen(script, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in both] == [("", 0), ("", 0)]
    assert (tmp_path / "builds").read_text() == "built\n"
    assert (tmp_path / "waiting").exists()


def test_a_set_up_that_fails_says_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("this is no requirement\n")
    broken = Environment("engine", "The Engine 1.0", tmp_path / "requirements.lock")
    (tmp_path / "cache").mkdir()
    with pytest.raises(
        CannotRunError, match=r"The Engine 1\.0 could not be set up: .*requirements\.lock.*UV_DEFAULT_INDEX"
    ):
        environments.ensure(broken, Interpreter(Path(sys.executable), "3.11.0"), ignore)
