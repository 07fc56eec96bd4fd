from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from operations import queues
from profiles.session import Aws, Profile
from tests.support.reconciled_world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(queues, "_POLL_SECONDS", 0)  # moto has one server, and would only wait
    with mock_aws():
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-2")
        yield World(Aws(Profile("moto", None), session), tmp_path)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"
