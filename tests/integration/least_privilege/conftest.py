"""ministack with IAM enforced and TLS, one per xdist worker, and on it two environments side by side."""

import os
from collections.abc import Iterator

import pytest

from bootstrap import down, up
from emulator import lifecycle
from emulator.engine import Options
from tests.conftest import find_free_port
from tests.support.enforced_iam import ROOT, Endpoint, Scene, assume
from tests.support.environments import STOCKS, at, role_permissions, stock_names, stock_settings


@pytest.fixture(scope="session")
def enforced(_private_state_folder: object) -> Iterator[Endpoint]:
    """The engine: https only, and everybody but root is held to their policies."""
    running = lifecycle.start("ministack", find_free_port(), Options(enforce_iam=True, tls=True))
    yield Endpoint(running.endpoint_url, running.certificate_path)
    lifecycle.stop(running.port)


@pytest.fixture(scope="session")
def environments(enforced: Endpoint) -> Iterator[Scene]:
    """Two environments that are up, and clients that act as the role of the first one."""
    root = enforced.as_(ROOT)
    names, neighbour = (stock_names(root.account, f"{prefix}{os.getpid() % 100_000}") for prefix in ("mine", "other"))
    for one in (names, neighbour):
        up(at(root, one), stock_settings())
    yield Scene(root, assume(enforced, names.role_arn), names, neighbour)
    for one in (names, neighbour):
        down(at(root, one), stock_settings())


@pytest.fixture
def scene(environments: Scene) -> Iterator[Scene]:
    """The two environments, with the role's policy as declared; a test may give the role another one."""
    environments.give(role_permissions(STOCKS, environments.names))
    yield environments
    environments.give(role_permissions(STOCKS, environments.names))
