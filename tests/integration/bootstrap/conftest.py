"""Environments of a test's own: unique names, clients of its own, on each engine."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Sandbox:
    """An engine, an environment's settings, and the calls that are made."""

    aws: Aws
    settings: Settings
    recorder: Recorder


def _sandbox(endpoint_url: str) -> Iterator[Sandbox]:
    aws = open_endpoint(endpoint_url)
    names = Names(aws.account, f"t{os.getpid() % 100_000}-{next(_numbers)}")
    sandbox = Sandbox(aws, Settings(names), record(aws))
    yield sandbox
    sandbox.recorder.intercept = None
    down(aws, sandbox.settings)


@pytest.fixture(params=ENGINES)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One on each engine."""
    yield from _sandbox(request.getfixturevalue(request.param).endpoint_url)


@pytest.fixture
def ministack_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One on ministack, which is fast enough for what needs many runs."""
    yield from _sandbox(request.getfixturevalue("ministack").endpoint_url)
