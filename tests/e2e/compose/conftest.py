"""The docker compose stack: one for most tests, further ones for those that break theirs.

A Docker engine and the images are needed (ci/run-compose-tests sees to both); without an engine these tests fail.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import find_free_port
from tests.support.compose import Compose

HERE = Path(__file__).parent

# So that an assert in a test that is borrowed from there explains itself.
pytest.register_assert_rewrite(
    "tests.integration.emulator.test_executor",
    "tests.support.lambda_functions",
    "tests.integration.bootstrap.test_bootstrap_up_and_down",
    "tests.e2e.test_real_data",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("compose")


@pytest.fixture(scope="session")
def stack() -> Iterator[Compose]:
    """The stack as `docker compose up --detach` makes it: LocalStack, and every resource in it."""
    compose = Compose(f"stockpipe-test-{os.getpid()}", find_free_port())
    try:
        compose.run("up", "--detach")
        yield compose
    finally:
        compose.down()


@pytest.fixture
def further_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Compose]]:
    """Makes a project of the test's own, not started, from an override in YAML; it is removed afterwards."""
    made: list[Compose] = []

    def make(override: str) -> Compose:
        path = tmp_path / "override.yml"
        path.write_text(override)
        made.append(Compose(f"stockpipe-test-{os.getpid()}-{len(made)}", find_free_port(), path))
        return made[-1]

    yield make
    for compose in made:
        compose.down()
