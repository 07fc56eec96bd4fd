"""What doctor says of this machine and of what answers: clock, profile, port, credentials."""

import http.server
import threading
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from operations.doctor import Check, State, examine, machine
from operations.doctor.check import run
from operations.doctor.examination import PIPELINE, checks_of
from profiles.session import Aws, open_endpoint
from tests.support.environments import at, stock_names

NOW = 1_767_623_400.4


@pytest.fixture
def aws() -> Aws:
    return open_endpoint("http://127.0.0.1:1")


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


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return path


def test_a_profile_that_is_not_there_or_for_another_region_is_explained(config: Path) -> None:
    config.write_text("[profile elsewhere]\nregion = eu-central-1\n")
    checks = by_name(examine("nobody"))
    assert checks["profile"].state is State.FAILED
    assert "there is no AWS profile 'nobody'; known: elsewhere, local" in checks["profile"].found
    assert {checks[name].state for name in PIPELINE} == {State.SKIPPED}
    assert checks["python"].state in (State.OK, State.INFO)
    assert checks["docker"].state is State.INFO
    assert (
        "is for region eu-central-1; stockpipe runs in us-east-2 only" in by_name(examine("elsewhere"))["profile"].found
    )


def test_nothing_that_listens_is_explained_with_the_port(config: Path, free_port: int) -> None:
    engine = by_name(examine("local", environ={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port}"}))["engine"]
    assert engine.found == f"nothing listens at http://127.0.0.1:{free_port}: the emulator isn't running"
    assert engine.fix.startswith(f"stockpipe emulator start --port {free_port}")


def test_a_profile_local_of_the_users_is_said_to_be_unused(config: Path, free_port: int) -> None:
    config.write_text("[profile local]\nendpoint_url = http://127.0.0.1:5001\n")
    profile = by_name(examine("local", environ={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port}"}))["profile"]
    assert profile.state is State.INFO
    assert profile.found.startswith(f"local: http://127.0.0.1:{free_port}, region us-east-2; note: the profile 'local'")


class _NoAws(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def other_program() -> Iterator[int]:
    """The port of a web server that is no engine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NoAws) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_another_program_at_the_port_is_explained(config: Path, other_program: int) -> None:
    checks = by_name(examine("local", environ={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{other_program}"}))
    assert checks["engine"].state is State.WARNING
    assert f"something listens at http://127.0.0.1:{other_program}" in checks["engine"].found
    assert f"--port {other_program + 1}" in checks["engine"].fix
    assert checks["credentials"].state is State.FAILED


def test_what_aws_refuses_is_a_result_and_not_the_end(aws: Aws) -> None:
    with Stubber(aws.sqs) as stub:
        stub.add_client_error("get_queue_url", "AccessDenied", "no", 403)
        check = run("queue", checks_of(at(aws, stock_names("000000000000")))["queue"])
    assert (check.name, check.state) == ("queue", State.FAILED)
    assert "lacks a permission" in check.fix
