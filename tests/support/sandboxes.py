"""Environments of a test's own: unique names, and the calls that are made recorded."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from bootstrap import Settings, down
from profiles.environment import Environment
from profiles.names import Names
from profiles.session import Aws, open_endpoint
from tests.support.aws_calls import Recorder, record
from tests.support.environments import at, stock_names, stock_settings

ENGINES = [
    pytest.param("localstack", marks=pytest.mark.localstack),
    pytest.param("ministack", marks=pytest.mark.ministack),
]
_numbers = itertools.count(1)
_recorded: dict[str, tuple[Aws, Recorder]] = {}


@dataclass(frozen=True)
class Sandbox:
    """An environment on an engine, its settings, and the calls that are made."""

    environment: Environment
    recorder: Recorder
    settings: Settings = field(default_factory=stock_settings)

    @property
    def aws(self) -> Aws:
        return self.environment.aws

    @property
    def names(self) -> Names:
        return self.environment.names


def fresh_environment(aws: Aws) -> Environment:
    """An environment under names that no other test uses, also not one in another process."""
    return at(aws, stock_names(aws.account, f"t{os.getpid() % 1_000_000}-{next(_numbers)}"))


@contextmanager
def sandbox_on(endpoint_url: str) -> Iterator[Sandbox]:
    """A sandbox that is removed in the end. Its clients are made once for each engine."""
    if endpoint_url not in _recorded:
        aws = open_endpoint(endpoint_url)
        _recorded[endpoint_url] = aws, record(aws)
    aws, recorder = _recorded[endpoint_url]
    recorder.intercept = None
    recorder.forget()
    sandbox = Sandbox(fresh_environment(aws), recorder)
    recorder.forget()
    yield sandbox
    recorder.intercept = None
    down(sandbox.environment, sandbox.settings)
