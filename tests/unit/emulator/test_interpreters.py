"""Interpreters are found by running them, not by their name."""

import json
import os
import sys
from pathlib import Path

import pytest
import uv

from emulator import interpreters
from emulator.interpreters import Interpreter

VERSION = "3.99"  # no machine has it, so only the fakes can be found


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def broken_shim(path: Path) -> Path:
    return executable(path, 'echo "pyenv: python3.99: command not found" >&2; exit 127')


def working_python(path: Path, version: str = "3.99.4", usable: bool = True) -> Path:
    answer = json.dumps({"path": str(path), "version": version, "usable": usable})
    return executable(path, f"echo '{answer}'")


@pytest.fixture
def no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = executable(tmp_path / "uv-that-finds-nothing", "exit 2")
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(fake))


def environ(tmp_path: Path, *folders: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"]), "HOME": str(tmp_path / "home")}


def test_the_running_interpreter_answers() -> None:
    found = interpreters.probe(Path(sys.executable))
    assert found is not None
    assert found.version.startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert interpreters.running_interpreter() == found


@pytest.mark.usefixtures("no_uv")
def test_a_shim_that_does_not_run_is_passed_over_for_pyenvs_own_versions(tmp_path: Path) -> None:
    shims = tmp_path / "home" / ".pyenv" / "shims"
    broken_shim(shims / "python3.99")
    working = working_python(tmp_path / "home" / ".pyenv" / "versions" / "3.99.4" / "bin" / "python3.99")
    assert interpreters.find(VERSION, environ=environ(tmp_path, shims)) == Interpreter(working, "3.99.4")


@pytest.mark.usefixtures("no_uv")
def test_pyenv_root_is_honoured(tmp_path: Path) -> None:
    working = working_python(tmp_path / "elsewhere" / "versions" / "3.99.0" / "bin" / "python3.99")
    found = interpreters.find(VERSION, environ={**environ(tmp_path), "PYENV_ROOT": str(tmp_path / "elsewhere")})
    assert found is not None
    assert found.path == working


@pytest.mark.usefixtures("no_uv")
def test_a_broken_name_on_path_does_not_hide_a_working_one_behind_it(tmp_path: Path) -> None:
    broken_shim(tmp_path / "first" / "python3.99")
    working = working_python(tmp_path / "second" / "python3.99")
    found = interpreters.find(VERSION, environ=environ(tmp_path, tmp_path / "first", tmp_path / "second"))
    assert found is not None
    assert found.path == working


@pytest.mark.usefixtures("no_uv")
@pytest.mark.parametrize(
    ("version", "usable"), [("3.98.1", True), ("3.99.4", False)], ids=["another version", "free-threaded or no CPython"]
)
def test_what_runs_but_is_not_what_it_is_called_is_not_taken(tmp_path: Path, version: str, usable: bool) -> None:
    working_python(tmp_path / "bin" / "python3.99", version, usable)
    assert interpreters.find(VERSION, environ=environ(tmp_path, tmp_path / "bin")) is None


@pytest.mark.usefixtures("no_uv")
def test_an_interpreter_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "_PROBE_SECONDS", 0.2)
    executable(tmp_path / "bin" / "python3.99", "exec sleep 60")
    assert interpreters.find(VERSION, environ=environ(tmp_path, tmp_path / "bin")) is None


def uv_that_can_fetch(tmp_path: Path) -> Path:
    """Knows of no interpreter until it was asked to install one."""
    managed = tmp_path / "managed" / "python3.99"
    answer = json.dumps({"path": str(managed), "version": "3.99.1", "usable": True})
    in_the_index = executable(tmp_path / "index" / "python3.99", f"echo '{answer}'")
    return executable(
        tmp_path / "uv",
        f"""case "$1 $2" in
            "python install") mkdir -p {managed.parent}; cp {in_the_index} {managed};;
            "python find") test -e {managed} && echo {managed};;
        esac""",
    )


def test_uv_fetches_one_where_none_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = uv_that_can_fetch(tmp_path)
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(fake))
    said: list[str] = []
    assert interpreters.find(VERSION, fetch=False, environ=environ(tmp_path), observer=said.append) is None
    assert said == []
    found = interpreters.find(VERSION, environ=environ(tmp_path), observer=said.append)
    assert found == Interpreter(tmp_path / "managed" / "python3.99", "3.99.1")
    assert said == ["fetching a Python 3.99 with uv"]


@pytest.mark.usefixtures("no_uv")
def test_nothing_found_and_nothing_fetched_is_none(tmp_path: Path) -> None:
    assert interpreters.find(VERSION, environ=environ(tmp_path)) is None
