"""Real clients of a running environment: the AWS CLI and awslocal see what bootstrap made."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bootstrap
from tests.support.environments import at, stock_names, stock_settings

BIN = Path(sys.executable).parent
TICK = {"tick_id": "by-hand-1", "symbol": "TSLA", "price": 1250.5, "volume": 7, "timestamp": "2026-01-05T14:30:00Z"}


def run(command: list[str], folder: Path, **environment: str) -> Any:
    """Run a client that knows nothing of the user's AWS settings, and return the JSON that it prints."""
    clean = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(folder),
        "AWS_DEFAULT_REGION": "us-east-2",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **environment,
    }
    result = subprocess.run(command, env=clean, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout) if result.stdout.strip() else None


@pytest.mark.parametrize("client", ["aws", "awslocal"])
def test_clients_see_the_resources_and_can_send_a_tick(localstack: Any, client: str, tmp_path: Path) -> None:
    # given an environment
    names = stock_names(localstack.aws.account, f"by-{client}")
    bootstrap.up(at(localstack.aws, names), stock_settings())
    command = [client, "--output", "json"]
    if client == "aws":
        command += ["--endpoint-url", localstack.endpoint_url]
    variables = {"AWS_ENDPOINT_URL": localstack.endpoint_url} if client == "awslocal" else {}

    def call(*words: str) -> Any:
        return run([*command, *words], tmp_path, **variables)

    # when the client sends a tick by hand
    queue_url = call("sqs", "get-queue-url", "--queue-name", names.queue)["QueueUrl"]
    call("sqs", "send-message", "--queue-url", queue_url, "--message-body", json.dumps(TICK))

    # then it finds the record in the bucket, and the alert's marker
    record_key = "processed/TSLA/1767623400000-by-hand-1.json"
    call("s3api", "wait", "object-exists", "--bucket", names.bucket, "--key", record_key)
    listed = call("s3api", "list-objects-v2", "--bucket", names.bucket, "--prefix", "processed/")
    assert [found["Key"] for found in listed["Contents"]] == [record_key]
    markers = call("s3api", "list-objects-v2", "--bucket", names.bucket, "--prefix", "alerts/")
    assert [found["Key"] for found in markers["Contents"]] == ["alerts/price/TSLA/1767623400000.json"]
    function = call("lambda", "get-function-configuration", "--function-name", names.function)
    assert function["Environment"]["Variables"]["ALERT_THRESHOLD"] == "1200"
    bootstrap.down(at(localstack.aws, names), stock_settings())
