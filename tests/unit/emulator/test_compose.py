"""The container engine where there is no Docker: one clear line, and no obstacle to the other engines."""

import io
import os
from pathlib import Path

import pytest

from emulator import compose, lifecycle
from emulator.compose import COMPOSE
from emulator.engine import Options, silent
from emulator.localstack.engine import option_variables
from profiles.errors import CannotRunError


@pytest.fixture(autouse=True)
def _no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")


def test_without_an_engine_start_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError) as caught:
        lifecycle.start("compose", 4566)

    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"no Docker engine answers at unix://{tmp_path}/no.sock: ")
    assert "No such file or directory" in text
    assert "--engine localstack or ministack" in text


def test_without_an_engine_there_is_nothing_to_see_or_stop() -> None:
    assert compose.stacks() == []
    assert compose.find(4566) is None
    assert COMPOSE.stop(4566, silent) is False


@pytest.mark.parametrize(
    ("variable", "port", "expected"),
    [(None, 4566, "stockpipe"), (None, 4567, "stockpipe-4567"), ("mine", 4566, "mine"), ("mine", 4567, "mine")],
)
def test_each_port_is_a_project_unless_compose_s_own_variable_names_one(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, port: int, expected: str
) -> None:
    monkeypatch.delenv("COMPOSE_PROJECT_NAME", raising=False)
    if variable:
        monkeypatch.setenv("COMPOSE_PROJECT_NAME", variable)

    assert compose.project_of(port) == expected


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> compose.Stack:
    """A container that runs with an allowed origin; no command of Compose is run."""
    stack = compose.Stack(
        "p", "c", 4566, "running", environment=frozenset({"EXTRA_CORS_ALLOWED_ORIGINS=https://app.example", "A=b"})
    )
    monkeypatch.setattr(compose, "connect", io.StringIO)
    monkeypatch.setattr(compose, "_require_compose", lambda: None)
    monkeypatch.setattr(compose, "find", lambda _: stack)
    return stack


def test_what_runs_with_the_settings_that_are_asked_for_is_success(stack: compose.Stack) -> None:
    assert COMPOSE.start(4566, Options(), silent).container == stack.container
    again = COMPOSE.start(4566, Options(allowed_origins=("https://app.example",)), silent)
    assert (again.endpoint_url, again.already_running) == ("http://127.0.0.1:4566", True)


def test_what_runs_with_other_settings_must_be_stopped_first(stack: compose.Stack) -> None:
    with pytest.raises(CannotRunError, match=r"runs on port 4566 with other settings\. Stop it first"):
        COMPOSE.start(4566, Options(cloudformation=True), silent)


def test_options_become_the_variables_of_the_compose_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nenv\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    lines: list[str] = []
    options = option_variables(Options(False, False, ("https://app.example",), True, False))

    compose._compose("p", 4599, ["up"], lines.append, options)

    assert "docker compose: STOCKPIPE_PORT=4599" in lines
    assert "docker compose: STOCKPIPE_ALLOW_ORIGIN=https://app.example" in lines
    assert f"docker compose: STOCKPIPE_SERVICES={options['SERVICES']}" in lines
    assert "docker compose: STOCKPIPE_FUNCTION_LIMITS=0" in lines
    for variable in ("STOCKPIPE_ALLOW_ORIGIN", "STOCKPIPE_SERVICES"):
        assert f"${{{variable}:-" in (compose.FOLDER / "docker-compose.yml").read_text()
