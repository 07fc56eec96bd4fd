"""Stacks of a test's own: those that break, that have no network, and those that `stockpipe emulator` starts."""

from collections.abc import Callable

from tests.conftest import find_free_port
from tests.support.compose import Compose, on_host


def test_stopping_localstack_is_graceful(further_stack: Callable[[str], Compose]) -> None:
    compose = further_stack("{}")
    compose.run("up", "--detach", "--wait", "localstack")

    compose.run("stop", "localstack")

    assert compose.states()["localstack"][1] != 137, "137: it had to be killed when its grace period was over"


def test_a_bootstrap_that_fails_fails_up_visibly_and_down_leaves_nothing(
    further_stack: Callable[[str], Compose],
) -> None:
    compose = further_stack("services: {bootstrap: {command: [up, --prefix, NOT-A-PREFIX]}}")

    failed = compose.run("--profile", "demo", "up", "--detach", check=False)

    assert failed.returncode != 0
    assert "bootstrap" in failed.stderr
    assert "exit 2" in failed.stderr
    assert "NOT-A-PREFIX" in compose.run("logs", "bootstrap").stdout
    assert compose.states()["producer"][0] == "created"

    compose.run("--profile", "demo", "down", "--volumes")
    assert compose.left_behind() == []


def test_it_needs_no_network_once_the_images_exist(further_stack: Callable[[str], Compose]) -> None:
    compose = further_stack("networks: {default: {internal: true}}")

    compose.run("up", "--detach")

    assert compose.states()["bootstrap"] == ("exited", 0)


def test_stockpipe_starts_and_stops_it_like_any_other_engine() -> None:
    port = find_free_port()
    container = Compose(f"stockpipe-{port}", port)

    started = on_host(container, "stockpipe", "emulator", "start", "--engine", "compose", "--port", str(port))
    again = on_host(container, "stockpipe", "emulator", "start", "--engine", "compose", "--port", str(port))
    logs = on_host(container, "stockpipe", "emulator", "logs", "--port", str(port))
    stopped = on_host(container, "stockpipe", "emulator", "stop", "--port", str(port))

    assert started.returncode == again.returncode == 0, started.stderr + again.stderr
    assert f"is ready at http://127.0.0.1:{port}" in started.stdout
    assert "docker compose: Container" in started.stderr
    assert "docker compose: Container" not in again.stderr
    assert "LocalStack version: 4.14.0" in logs.stdout
    assert "stopped the emulator" in stopped.stdout
    assert container.left_behind() == []
