"""`stockpipe emulator`, with a small engine in the place of ministack."""

import json

import pytest

from emulator import cli, lifecycle, state
from profiles import folders
from profiles.errors import CannotRunError
from tests.support.command_line import stockpipe

pytestmark = pytest.mark.usefixtures("small_engines")


def test_the_command_line(free_port: int) -> None:
    port = ["--port", str(free_port)]
    assert stockpipe("emulator", "status", *port).exit_code == 1
    started = stockpipe("emulator", "start", "--engine", "ministack", *port)
    assert started.exit_code == 0, started.output
    assert f"ministack 1.5.33 is ready at http://127.0.0.1:{free_port}" in started.output
    assert "already runs" in stockpipe("emulator", "start", "--engine", "ministack", *port).output
    status = stockpipe("emulator", "status", "--json", *port)
    assert status.exit_code == 0
    assert [(entry["port"], entry["state"]) for entry in json.loads(status.stdout)] == [(free_port, "running")]
    assert "running" in stockpipe("emulator", "status").output
    assert "serving" in stockpipe("emulator", "logs", *port).output
    stopped = stockpipe("emulator", "stop", *port).stdout.splitlines()
    caches = folders.cache_folder()
    assert stopped[-2:] == [
        f"stopped the emulator on port {free_port}: no process and no data of it is left",
        f"kept: its log ({state.log_path(free_port)}), the caches ({caches})",
    ]
    assert "nothing to stop" in stockpipe("emulator", "stop", "--all").output


def test_without_a_port_it_is_the_one_that_the_other_commands_use(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
    assert stockpipe("emulator", "start", "--engine", "ministack").exit_code == 0
    assert [entry.port for entry in lifecycle.status()] == [free_port]
    assert "serving" in stockpipe("emulator", "logs").output

    elsewhere = stockpipe("emulator", "stop", "--port", "1")
    assert f"no emulator of ours on port 1. There is one at: --port {free_port} " in elsewhere.output
    assert f"stopped the emulator on port {free_port}" in stockpipe("emulator", "stop").output


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("", 4566),
        ("http://localhost:15700", 15700),
        ("https://127.0.0.1:15701/", 15701),
        ("http://localhost", 4566),
        ("http://emulator.example:15700", 4566),
        ("http://localhost:nonsense", 4566),
    ],
)
def test_the_default_port(endpoint: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert cli.default_port() == port


def test_origins_and_cloudformation_are_asked_for_by_option(free_port: int) -> None:
    start = ["start", "--engine", "ministack", "--port", str(free_port)]
    for wrong in ("*", "https://app.example/path", "app.example", "null"):
        refused = stockpipe("emulator", *start, "--allow-origin", wrong)
        assert refused.exit_code == 2
        assert repr(wrong) in refused.error
    origins = ["--allow-origin", "https://app.example", "--allow-origin", "http://localhost:3000"]

    started = stockpipe("emulator", *start, *origins, "--cloudformation")

    assert started.exit_code == 0, started.output
    environ = json.loads((state.private_folder(free_port) / "environment.json").read_text())
    assert environ["EXTRA_CORS_ALLOWED_ORIGINS"] == "https://app.example,http://localhost:3000"
    assert stockpipe("emulator", *start, *origins, "--cloudformation").exit_code == 0
    with pytest.raises(CannotRunError, match="with other settings"):
        lifecycle.start("ministack", free_port)
