"""A sandbox on ministack, which is fast enough for what needs many runs."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.sandboxes import Sandbox, sandbox_on


@pytest.fixture
def sandbox(ministack: Any) -> Iterator[Sandbox]:
    with sandbox_on(ministack.endpoint_url) as found:
        yield found
