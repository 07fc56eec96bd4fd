"""A sandbox for each test."""

from collections.abc import Iterator

import pytest

from tests.support.sandboxes import ENGINES, Sandbox, sandbox_on


@pytest.fixture(params=ENGINES)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One on each engine."""
    with sandbox_on(request.getfixturevalue(request.param).endpoint_url) as found:
        yield found
