import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from profiles.names import Names
from profiles.session import Aws, open_endpoint
from tests.support.small_s3 import SmallS3, small_s3

_numbers = itertools.count(1)


@dataclass(frozen=True)
class History:
    """An environment of its own: an empty bucket on a loopback S3, and an empty cache."""

    aws: Aws
    names: Names
    s3: SmallS3

    def put(self, key: str, body: bytes) -> None:
        self.s3.put(self.names.bucket, key, body)


@pytest.fixture(scope="session")
def loopback_s3() -> Iterator[SmallS3]:
    with small_s3() as store:
        yield store


@pytest.fixture
def history(loopback_s3: SmallS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path / "cache"))
    names = Names("000000000000", bucket_override=f"bucket-{next(_numbers)}")
    return History(open_endpoint(loopback_s3.endpoint_url), names, loopback_s3)
