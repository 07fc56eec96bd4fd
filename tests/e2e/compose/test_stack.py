"""The stack as its user meets it: what comes up, what flows, and what survives a restart."""

import json
from pathlib import Path

import pytest

from tests.e2e.test_real_data import expected_of_first, replay_and_check
from tests.support.compose import Compose, count_stored, on_host
from tests.support.environments import stock_names
from tests.support.waiting import wait_until

NAMES = stock_names("000000000000")


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
