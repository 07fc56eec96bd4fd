"""A world in which ministack is a small engine, for the tests of starting and stopping."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import engines, environments, lifecycle
from emulator.localstack.engine import LOCALSTACK
from tests.support.small_engine import small_engine


@pytest.fixture
def small_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing has to be set up, the folders are the test's own, and all that was started is stopped in the end."""
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(environments, "ensure", lambda *_: Path(sys.executable))
    monkeypatch.setattr(engines, "ENGINES", {"ministack": small_engine(), "localstack": LOCALSTACK})
    yield
    for entry in lifecycle.status():
        lifecycle.stop(entry.port)
