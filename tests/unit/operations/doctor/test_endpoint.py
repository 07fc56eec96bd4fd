"""What doctor says of the profile, of what answers at its endpoint, and of the credentials."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator.engines import ENGINES
from operations.doctor import Check, State, examine
from operations.doctor.examination import PIPELINE


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


def test_another_program_at_the_port_is_explained(
    config: Path, other_program: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "third", replace(ENGINES["ministack"], name="third", title="a third engine"))
    checks = by_name(examine("local", environ={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{other_program}"}))
    assert checks["engine"].state is State.WARNING
    assert checks["engine"].found == (
        f"something listens at http://127.0.0.1:{other_program}, and it is neither LocalStack nor ministack "
        "nor a third engine"
    )
    assert f"--port {other_program + 1}" in checks["engine"].fix
    assert checks["credentials"].state is State.FAILED
