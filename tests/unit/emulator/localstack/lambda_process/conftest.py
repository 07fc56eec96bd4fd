"""Execution environments for the executor's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lambda_sandboxes import Make, sandboxes_in


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Sandboxes for functions given as source; all are stopped in the end."""
    with sandboxes_in(tmp_path) as make:
        yield make
