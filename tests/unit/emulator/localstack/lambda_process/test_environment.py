"""What a function finds in its environment, and what it doesn't."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.localstack.lambda_process import environment
from emulator.localstack.lambda_process.interpreters import Interpreter

PYTHON = Interpreter(Path("/venv/bin/python"), "python3.11", Path("/venv/lib/python3.11/site-packages"), compiled=True)
FROM_LOCALSTACK = {
    "AWS_REGION": "us-east-2",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": 128,
    "AWS_ENDPOINT_URL": "http://127.0.0.1:14600",
    "LAMBDA_TASK_ROOT": "/var/task",
    "AWS_EXECUTION_ENV": "AWS_Lambda_rapid",
    "LOCALSTACK_RUNTIME_ID": "abc",
    "AWS_LAMBDA_FUNCTION_TIMEOUT": 3,
}


def built(
    own: dict[str, str] | None = None, *, python: Interpreter = PYTHON, layers: Sequence[Path] = ()
) -> dict[str, str]:
    own = own or {}
    return environment.build(
        {**FROM_LOCALSTACK, **own},
        own,
        Path("/sandbox"),
        runtime="python3.11",
        interpreter=python,
        code=Path("/code"),
        layers=layers,
    )


def test_lambda_s_variables_are_strings_and_name_the_real_places() -> None:
    variables = built()

    assert variables["AWS_REGION"] == "us-east-2"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:14600"
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert variables["LAMBDA_TASK_ROOT"] == "/code"
    assert variables["LAMBDA_RUNTIME_DIR"] == "/venv/lib/python3.11/site-packages"
    assert variables["HOME"] == variables["TMPDIR"] == "/sandbox"


def test_nothing_comes_from_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", "hush")
    monkeypatch.setenv("PYTHONPATH", "/host")

    variables = built()

    assert "HOST_SECRET" not in variables
    assert "PYTHONPATH" not in variables
    assert variables["PATH"] == "/venv/bin:/usr/local/bin:/usr/bin:/bin"


def test_what_localstack_tells_its_own_init_program_is_left_out() -> None:
    variables = built()

    assert "LOCALSTACK_RUNTIME_ID" not in variables
    assert "AWS_LAMBDA_FUNCTION_TIMEOUT" not in variables


def test_the_function_s_own_variables_win() -> None:
    variables = built({"TZ": "Europe/Berlin", "PATH": "/mine", "LOCALSTACK_RUNTIME_ID": "my own"})

    assert variables["TZ"] == "Europe/Berlin"
    assert variables["PATH"] == "/mine"
    assert variables["LOCALSTACK_RUNTIME_ID"] == "my own"


def test_later_layers_come_first_and_after_the_function_s_own_path() -> None:
    variables = built(
        {"PYTHONPATH": "/mine"},
        python=replace(PYTHON, compiled=False),
        layers=(Path("/layer1"), Path("/layer2")),
    )

    assert variables["PYTHONPATH"].split(":") == [
        str(Path(environment.__file__).parent / "stand_in"),
        "/mine",
        "/layer2/python/lib/python3.11/site-packages",
        "/layer2/python",
        "/layer1/python/lib/python3.11/site-packages",
        "/layer1/python",
    ]
    assert variables["PATH"].endswith(":/layer2/bin:/layer1/bin")
    assert variables["LD_LIBRARY_PATH"] == "/layer2/lib:/layer1/lib"
