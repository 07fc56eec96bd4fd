"""What doctor says of this machine."""

from email.utils import formatdate
from typing import Any

import pytest
from botocore.stub import Stubber

from emulator import lifecycle
from emulator.engine import Capability, MissingError
from emulator.engines import ENGINES
from operations.doctor import Check, State, machine
from profiles.session import Aws, open_endpoint

NOW = 1_767_623_400.4


@pytest.fixture
def aws() -> Aws:
    return open_endpoint("http://127.0.0.1:1")


def test_an_engine_that_cannot_run_here_is_named_with_those_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    def require(*_: Any, **__: Any) -> None:
        raise MissingError("no Python 3.13", Capability.ANY_PYTHON)

    monkeypatch.setattr(type(ENGINES[lifecycle.DEFAULT_ENGINE]), "require", require)
    check = machine.python()
    assert (check.state, check.found.partition("; ")[2]) == (State.INFO, "LocalStack can't run here")
    assert check.fix == "no Python 3.13, or use an engine that works without it: --engine ministack or compose"


def clock_check(aws: Aws, *, their_time: float | None) -> Check:
    headers = {} if their_time is None else {"date": formatdate(int(their_time), usegmt=True)}
    answer: dict[str, Any] = {"Account": "000000000000", "ResponseMetadata": {"HTTPHeaders": headers}}
    with Stubber(aws.sts) as stub:
        stub.add_response("get_caller_identity", answer)
        return machine.clock(aws, now=lambda: NOW)


@pytest.mark.parametrize(
    ("ahead", "state"),
    [
        (0, State.OK),
        (1.9, State.OK),
        (-1.9, State.OK),
        (60, State.WARNING),
        (-60, State.WARNING),
        (900, State.FAILED),
        (-900, State.FAILED),
    ],
)
def test_the_clock_is_compared_with_the_endpoints(aws: Aws, ahead: float, state: State) -> None:
    assert clock_check(aws, their_time=NOW - ahead).state is state


def test_a_wrong_clock_is_explained(aws: Aws) -> None:
    behind = clock_check(aws, their_time=NOW + 900)
    assert "clock is 900 s behind the endpoint's; AWS refuses signatures" in behind.found
    assert "timedatectl" in behind.fix
    assert "ahead of" in clock_check(aws, their_time=NOW - 60).found
    assert clock_check(aws, their_time=None).state is State.INFO
