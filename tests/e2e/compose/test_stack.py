"""The stack as its user meets it: what comes up, what flows, what survives a restart, and what is left after it."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.engines import LOCALSTACK, Settings
from profiles.names import Names
from tests.e2e.test_real_data import expected_of_first, replay_and_check
from tests.support.compose import BIN, ROOT, Compose, count_stored, wait_until

NAMES = Names("000000000000")


def configuration(*files: str) -> dict[str, Any]:
    """What Compose makes of the files, with all profiles."""
    named = [argument for file in files for argument in ("--file", file)]
    command = ["docker", "compose", *named, "--profile", "*", "config", "--format", "json"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("STOCKPIPE_")}
    answer = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True)
    services: dict[str, Any] = json.loads(answer.stdout)["services"]
    return services


def on_host(stack: Compose, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of the virtual environment against the stack, as a user does after two exports."""
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-2",
    }
    program = [str(BIN / command[0]), *command[1:]]
    return subprocess.run(program, cwd=ROOT, env=environ, text=True, capture_output=True, check=False)


def test_by_default_nothing_is_mounted_from_the_host_and_every_port_is_on_loopback() -> None:
    services = configuration("docker-compose.yml")

    assert set(services) >= {"localstack", "bootstrap", "producer"}
    for name, service in services.items():
        assert all(volume["type"] == "volume" for volume in service.get("volumes", [])), name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert int(service["mem_limit"]) > 0, name


def test_the_classic_override_mounts_the_socket_and_takes_our_executor_out() -> None:
    localstack = configuration("docker-compose.yml", "docker-compose.classic.yml")["localstack"]

    assert [volume["source"] for volume in localstack["volumes"]] == ["/var/run/docker.sock"]
    assert localstack["environment"]["LAMBDA_RUNTIME_EXECUTOR"] == "docker"


def test_localstack_has_the_settings_that_it_has_embedded() -> None:
    inside = configuration("docker-compose.yml")["localstack"]["environment"]
    embedded = LOCALSTACK.variables(Settings(4566, Path("/any"), runtimes={"python3.11": Path("/any")}))
    of_the_machine = {  # addresses and folders; the executor is set in the image
        *("GATEWAY_LISTEN", "PYTHONPATH", "FILESYSTEM_ROOT", "LOCALSTACK_VOLUME_DIR"),
        *("LAMBDA_RUNTIME_EXECUTOR", "LAMBDA_PROCESS_PYTHON"),
    }

    assert {key: inside.get(key) for key in embedded if key not in of_the_machine} == {
        key: value for key, value in embedded.items() if key not in of_the_machine
    }


def test_up_ends_with_every_resource_made(stack: Compose) -> None:
    states = stack.states()
    wait_until(lambda: stack.states()["ready"][0] == "exited")

    assert states["localstack"][0] == "running"
    assert states["bootstrap"] == ("exited", 0)
    assert stack.states()["ready"] == ("exited", 0)
    assert "producer" not in states


def test_localstack_runs_without_privileges(stack: Compose) -> None:
    container = stack.container()

    assert container.attrs["State"]["Health"]["Status"] == "healthy"
    assert container.attrs["HostConfig"]["ReadonlyRootfs"]
    assert container.exec_run(["id", "-u"]).output.strip() != b"0"
    assert not container.attrs["Mounts"]


def test_the_host_sees_the_same_environment_without_drift(stack: Compose) -> None:
    status = on_host(stack, "stockpipe", "status")
    plan = on_host(stack, "stockpipe", "plan", "--json")

    assert status.returncode == 0, status.stdout + status.stderr
    assert "StockProcessor" in status.stdout
    assert plan.returncode == 0, plan.stdout + plan.stderr


@pytest.mark.parametrize("client", [["aws", "--endpoint-url"], ["awslocal"]], ids=["aws", "awslocal"])
def test_aws_s_command_line_reaches_the_queue_from_the_host(stack: Compose, client: list[str]) -> None:
    aws = [*client, stack.endpoint_url] if client[-1] == "--endpoint-url" else client
    url = json.loads(on_host(stack, *aws, "sqs", "get-queue-url", "--queue-name", "StockAlertsInbox").stdout)[
        "QueueUrl"
    ]

    sent = on_host(stack, *aws, "sqs", "send-message", "--queue-url", url, "--message-body", "from the host")
    received = on_host(stack, *aws, "sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "5")
    buckets = on_host(stack, *aws, "s3api", "list-buckets")

    assert sent.returncode == 0, sent.stderr
    (message,) = json.loads(received.stdout)["Messages"]
    assert message["Body"] == "from the host"
    assert NAMES.bucket in buckets.stdout
    on_host(stack, *aws, "sqs", "delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])


def test_stockpipe_tells_which_engine_answers(stack: Compose) -> None:
    answer = on_host(stack, "stockpipe", "emulator", "status", "--port", str(stack.port), "--json")

    (entry,) = json.loads(answer.stdout)
    assert (entry["engine"], entry["version"], entry["state"]) == ("compose", "4.14.0", "running")


def test_real_data_flows_as_it_does_embedded(stack: Compose, tmp_path: Path) -> None:
    replay_and_check(stack.aws, "real", 500, expected_of_first(500, threshold=130), tmp_path)


def test_the_demo_s_producer_loses_nothing_and_ends_cleanly(stack: Compose) -> None:
    # given the market, played by the container
    stack.run("--profile", "demo", "up", "--detach")
    wait_until(lambda: count_stored(stack.aws, NAMES.bucket) >= 50)

    # when it is stopped
    stack.run("--profile", "demo", "stop", "producer")

    # then it says what it sent, and every tick of it is accounted for
    assert stack.states()["producer"] == ("exited", 0)
    assert "sent " in stack.run("--profile", "demo", "logs", "producer").stdout
    proof = stack.run("--profile", "demo", "run", "--rm", "producer", "reconcile", "--wait", "60")
    assert "missing 0, duplicated 0" in proof.stdout


def test_after_a_restart_up_makes_everything_again_and_the_producer_carries_on(stack: Compose) -> None:
    stack.run("--profile", "demo", "up", "--detach")
    wait_until(lambda: count_stored(stack.aws, NAMES.bucket) > 0)
    producer = stack.container("producer")

    stack.run("restart", "localstack")
    stack.run("--profile", "demo", "up", "--detach")

    assert stack.states()["bootstrap"] == ("exited", 0)
    wait_until(lambda: count_stored(stack.aws, NAMES.bucket) >= 50, seconds=120)
    producer.reload()
    assert producer.status == "running"
    stack.run("--profile", "demo", "rm", "--stop", "--force", "producer")


def test_what_functions_log_is_in_the_log_group(stack: Compose) -> None:
    url = stack.aws.sqs.get_queue_url(QueueName=NAMES.queue)["QueueUrl"]

    stack.aws.sqs.send_message(QueueUrl=url, MessageBody='{"symbol": "LOST", "price": -1, "volume": 1}')

    def lines() -> str:
        events = stack.aws.logs.filter_log_events(logGroupName=NAMES.log_group)["events"]
        return "".join(event["message"] for event in events)

    wait_until(lambda: "price -1.0 is not above 0" in lines())
    assert "START RequestId" in lines()
    assert "REPORT RequestId" in lines()


def test_stopping_localstack_is_graceful_and_quick(further_stack: Callable[[str], Compose]) -> None:
    compose = further_stack("{}")
    compose.run("up", "--detach", "--wait", "localstack")

    started = time.monotonic()
    compose.run("stop", "localstack")

    assert compose.states()["localstack"][1] != 137, "137: it had to be killed"
    assert time.monotonic() - started < 15, "the grace period that docker-compose.yml gives it"


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


def test_stockpipe_starts_and_stops_it_like_any_other_engine(stack: Compose) -> None:
    port = str(stack.port + 1)

    started = on_host(stack, "stockpipe", "emulator", "start", "--engine", "compose", "--port", port)
    again = on_host(stack, "stockpipe", "emulator", "start", "--engine", "compose", "--port", port)
    logs = on_host(stack, "stockpipe", "emulator", "logs", "--port", port)
    stopped = on_host(stack, "stockpipe", "emulator", "stop", "--port", port)

    assert started.returncode == again.returncode == 0, started.stderr + again.stderr
    assert f"is ready at http://127.0.0.1:{port}" in started.stdout
    assert "docker compose: Container" in started.stderr
    assert "docker compose: Container" not in again.stderr
    assert "LocalStack version: 4.14.0" in logs.stdout
    assert "stopped the emulator" in stopped.stdout
    assert Compose(f"stockpipe-{port}", int(port)).left_behind() == []
