"""Environments of a test's own: unique names, and the calls that are made recorded."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from bootstrap import Settings, down
from profiles.names import Names
from profiles.session import Aws, open_endpoint
from tests.support.aws_calls import Recorder, record

ENGINES = [
    pytest.param("localstack", marks=pytest.mark.localstack),
    pytest.param("ministack", marks=pytest.mark.ministack),
]
_numbers = itertools.count(1)
_recorded: dict[str, tuple[Aws, Recorder]] = {}


@dataclass(frozen=True)
class Sandbox:
    """An engine, an environment's settings, and the calls that are made."""

    aws: Aws
    settings: Settings
    recorder: Recorder


def fresh_settings(account: str, **others: Any) -> Settings:
    """Settings under names that no other test uses, also not one in another process."""
    return Settings(Names(account, f"t{os.getpid() % 1_000_000}-{next(_numbers)}"), **others)


@contextmanager
def sandbox_on(endpoint_url: str) -> Iterator[Sandbox]:
    """A sandbox that is removed in the end. Its clients are made once for each engine."""
    if endpoint_url not in _recorded:
        aws = open_endpoint(endpoint_url)
        _recorded[endpoint_url] = aws, record(aws)
    aws, recorder = _recorded[endpoint_url]
    recorder.intercept = None
    recorder.forget()
    settings = fresh_settings(aws.account)
    recorder.forget()
    yield Sandbox(aws, settings, recorder)
    recorder.intercept = None
    down(aws, settings)
