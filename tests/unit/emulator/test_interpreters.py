"""Interpreters are found by running them, not by their name."""

import os
from pathlib import Path
from unittest import mock

import pytest
import uv

from emulator import interpreters
from emulator.interpreters import Interpreter

RUNNING = interpreters.running_interpreter()
VERSION = RUNNING.version.rpartition(".")[0]
NOBODY_HAS = "3.99"


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def broken_shim(path: Path) -> Path:
    return executable(path, 'echo "pyenv: python: command not found" >&2; exit 127')


def working_python(path: Path) -> Path:
    return executable(path, f'exec "{RUNNING.path}" "$@"')


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The Python that runs this is no candidate."""
    monkeypatch.setattr(interpreters, "running_interpreter", lambda: Interpreter(tmp_path / "none" / "python", "3.0.0"))


def find(tmp_path: Path, *folders: Path, version: str = VERSION, **environ: str) -> Interpreter | None:
    """What is found where a machine has no Python but those of a test."""
    given = {"PATH": os.pathsep.join(map(str, folders)), "HOME": str(tmp_path / "home"), **environ}
    with mock.patch.dict(os.environ, given, clear=True):
        return interpreters.find(version, fetch=False)


def test_the_running_interpreter_is_found_and_answers(tmp_path: Path) -> None:
    found = find(tmp_path)
    assert found is not None
    assert found.version == RUNNING.version
    assert found.path.samefile(RUNNING.path)


@pytest.mark.usefixtures("elsewhere")
def test_a_shim_that_does_not_run_is_passed_over_for_pyenvs_own_versions(tmp_path: Path) -> None:
    shims = tmp_path / "home" / ".pyenv" / "shims"
    broken_shim(shims / f"python{VERSION}")
    assert find(tmp_path, shims) is None
    working_python(tmp_path / "home" / ".pyenv" / "versions" / RUNNING.version / "bin" / f"python{VERSION}")
    assert find(tmp_path, shims) == RUNNING


@pytest.mark.usefixtures("elsewhere")
def test_pyenv_root_is_honoured(tmp_path: Path) -> None:
    working_python(tmp_path / "elsewhere" / "versions" / RUNNING.version / "bin" / f"python{VERSION}")
    assert find(tmp_path, PYENV_ROOT=str(tmp_path / "elsewhere")) == RUNNING


@pytest.mark.usefixtures("elsewhere")
def test_a_broken_name_on_path_does_not_hide_a_working_one_behind_it(tmp_path: Path) -> None:
    broken_shim(tmp_path / "first" / f"python{VERSION}")
    working_python(tmp_path / "second" / f"python{VERSION}")
    assert find(tmp_path, tmp_path / "first", tmp_path / "second") == RUNNING


@pytest.mark.usefixtures("elsewhere")
def test_what_runs_but_is_not_what_it_is_called_is_not_taken(tmp_path: Path) -> None:
    working_python(tmp_path / "bin" / f"python{NOBODY_HAS}")
    assert find(tmp_path, tmp_path / "bin", version=NOBODY_HAS) is None


@pytest.mark.usefixtures("elsewhere")
def test_an_interpreter_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "_FIND_SECONDS", 0.3)
    executable(tmp_path / "bin" / f"python{VERSION}", "exec sleep 3")
    assert find(tmp_path, tmp_path / "bin") is None


def uv_that_can_fetch(tmp_path: Path) -> Path:
    """Knows of no interpreter until it was asked to install one."""
    installed = tmp_path / "managed"
    return executable(
        tmp_path / "uv",
        f"""case "$*" in
            "python install"*) touch {installed};;
            *"--show-version"*) echo 3.99.1;;
            "python find"*) test -e {installed} && echo {installed};;
        esac""",
    )


def test_uv_fetches_one_where_none_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = uv_that_can_fetch(tmp_path)
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(fake))
    said: list[str] = []
    assert interpreters.find(NOBODY_HAS, fetch=False, observer=said.append) is None
    assert said == []
    found = interpreters.find(NOBODY_HAS, observer=said.append)
    assert found == Interpreter(tmp_path / "managed", "3.99.1")
    assert said == ["fetching a Python 3.99 with uv"]


def test_nothing_found_and_nothing_fetched_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(executable(tmp_path / "uv-that-finds-nothing", "exit 2")))
    assert interpreters.find(VERSION) is None
