"""Which Python runs a function."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.localstack.lambda_process import interpreters
from emulator.localstack.lambda_process.interpreters import Interpreter, NoInterpreterError

OWN = Path(sys.executable)


def probing(**runtimes: str) -> Callable[[Path], Interpreter | None]:
    """A machine on which `/a/python` is, say, python3.11 with awslambdaric; other paths have none."""
    known = {Path(f"/{name}/python"): runtime for name, runtime in runtimes.items()}
    if "own" in runtimes:
        known[OWN] = runtimes["own"]
    return lambda path: Interpreter(path, known[path], Path("/packages"), compiled=True) if path in known else None


def test_the_setting_names_an_interpreter_per_runtime() -> None:
    assert interpreters.parse("python3.11=/a/python, python3.13=/b/python") == {
        "python3.11": Path("/a/python"),
        "python3.13": Path("/b/python"),
    }
    assert interpreters.parse("") == {}


@pytest.mark.parametrize("setting", ["/a/python", "python3.11=", "nodejs20.x=/a/node", "python3=/a"])
def test_a_setting_that_is_not_understood_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="LAMBDA_PROCESS_PYTHON"):
        interpreters.parse(setting)


def test_the_declared_runtime_gets_its_own_interpreter_and_no_warning() -> None:
    table = {"python3.13": Path("/b/python"), "python3.11": Path("/a/python")}

    chosen, warning = interpreters.choose("python3.11", table, probing(a="python3.11", b="python3.13"))

    assert chosen.path == Path("/a/python")
    assert warning == ""


def test_what_an_interpreter_is_counts_and_not_what_it_is_listed_as() -> None:
    table = {"python3.11": Path("/a/python"), "python3.13": Path("/b/python")}

    chosen, warning = interpreters.choose("python3.11", table, probing(a="python3.13", b="python3.11"))

    assert chosen.path == Path("/b/python")
    assert warning == ""


def test_another_listed_interpreter_stands_in_with_a_warning() -> None:
    chosen, warning = interpreters.choose("python3.12", {"python3.11": Path("/a/python")}, probing(a="python3.11"))

    assert chosen.path == Path("/a/python")
    assert "runtime python3.12 run on python3.11 (/a/python)" in warning
    assert "LAMBDA_PROCESS_PYTHON=python3.12=" in warning


def test_localstack_s_own_interpreter_is_the_last_resort() -> None:
    chosen, warning = interpreters.choose("python3.11", {"python3.11": Path("/gone")}, probing(own="python3.13"))

    assert chosen.path == OWN
    assert "python3.13" in warning


def test_without_any_interpreter_it_says_what_was_tried_and_what_to_do() -> None:
    with pytest.raises(NoInterpreterError, match=r"tried /gone, .*Set LAMBDA_PROCESS_PYTHON=python3\.11="):
        interpreters.choose("python3.11", {"python3.11": Path("/gone")}, probing())


def test_a_file_that_does_not_run_is_no_interpreter(tmp_path: Path) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)

    assert interpreters.probe(shim) is None
    assert interpreters.probe(tmp_path / "nothing") is None
