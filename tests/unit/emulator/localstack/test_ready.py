"""The container's health check: healthy only when each service that is used is loaded."""

import http.server
import importlib.util
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[4] / "emulator" / "localstack" / "ready.py"


@pytest.fixture
def states() -> dict[str, str]:
    """What LocalStack reports; tests change it."""
    return {}


@pytest.fixture
def port(states: dict[str, str]) -> Iterator[int]:
    """A server that answers as LocalStack's health does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/_localstack/health" else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"services": states}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch, port: int) -> ModuleType:
    """The script, as it is in the container."""
    monkeypatch.setenv("GATEWAY_LISTEN", f"0.0.0.0:{port}")
    monkeypatch.setenv("SERVICES", "s3,sqs")
    spec = importlib.util.spec_from_file_location("ready", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_service_that_is_only_available_is_not_ready(ready: ModuleType, states: dict[str, str]) -> None:
    states.update(s3="running", sqs="available", lambda_="available")

    assert ready.not_ready() == ["sqs"]


def test_ready_when_all_that_are_used_run(ready: ModuleType, states: dict[str, str]) -> None:
    states.update(s3="running", sqs="running", glue="disabled")

    assert ready.not_ready() == []


def test_a_service_that_localstack_does_not_know_is_never_ready(ready: ModuleType, states: dict[str, str]) -> None:
    states.update(s3="running")

    assert ready.not_ready() == ["sqs"]
