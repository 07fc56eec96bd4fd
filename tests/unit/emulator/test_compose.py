"""The container engine where there is no Docker: one clear line, and no obstacle to the other engines."""

from pathlib import Path

import pytest

from emulator import compose
from profiles.errors import CannotRunError


@pytest.fixture(autouse=True)
def _no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")


def test_without_an_engine_start_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError) as caught:
        compose.start(4566, {}, lambda _: None)

    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"no Docker engine answers at unix://{tmp_path}/no.sock: ")
    assert "No such file or directory" in text
    assert "--engine localstack or ministack" in text


def test_without_an_engine_there_is_nothing_to_see_or_stop() -> None:
    assert compose.stacks() == []
    assert compose.find(4566) is None
    assert compose.stop(4566, lambda _: None) is False


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
