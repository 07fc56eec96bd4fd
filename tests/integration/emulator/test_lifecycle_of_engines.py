"""Both engines for real: started, used, stopped and killed, with nothing left behind."""

import io
import json
import os
import signal
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator import lifecycle, loopback, state
from emulator.engine import Options, Running
from emulator.identity import identify
from profiles.session import open_endpoint
from tests.support.waiting import wait_until

ENGINES = [
    pytest.param("localstack", marks=pytest.mark.localstack),
    pytest.param("ministack", marks=pytest.mark.ministack),
]
VERSIONS = {"localstack": "4.14.0", "ministack": "1.5.33"}
HANDLER = """
import os
def handler(event, context):
    return {"environment": dict(os.environ), "pid": os.getpid()}
"""
ROLE = "arn:aws:iam::000000000000:role/any"


def using_folder(folder: Path) -> list[psutil.Process]:
    """Processes whose environment or command line names the engine's private folder: the engine and its functions."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in f"{process.environ()} {process.cmdline()}":
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def started(engine: str, free_port: int) -> Iterator[Running]:
    yield lifecycle.start(engine, free_port)
    lifecycle.stop(free_port)


def run_a_function(running: Running) -> dict[str, object]:
    """Create a function and invoke it, so that the engine has a process for it. What it saw."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("code.py", HANDLER)
    aws = open_endpoint(running.endpoint_url)
    aws.lambda_.create_function(
        FunctionName="f", Runtime="python3.11", Role=ROLE, Handler="code.handler", Code={"ZipFile": archive.getvalue()}
    )
    aws.lambda_.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    answer = aws.lambda_.invoke(FunctionName="f")
    seen = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, seen
    return dict(seen)


@pytest.fixture
def shared(engine: str, request: pytest.FixtureRequest) -> Running:
    """The engine that all tests of this worker share."""
    running: Running = request.getfixturevalue(engine).running
    return running


def test_it_answers_as_itself_and_on_loopback_only(shared: Running) -> None:
    found = identify(shared.endpoint_url)
    assert found is not None
    assert (found.engine, found.version) == (shared.engine, VERSIONS[shared.engine])
    listening = {
        connection.laddr.ip
        for process in [psutil.Process(shared.pid), *psutil.Process(shared.pid).children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == set(loopback.hosts())


def test_queue_urls_lead_back_to_it(shared: Running) -> None:
    sqs = open_endpoint(shared.endpoint_url).sqs
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4()}")["QueueUrl"]
    assert f":{shared.port}/" in url
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]["Body"] == "hello"
    sqs.delete_queue(QueueUrl=url)


def test_functions_see_nothing_of_the_user_and_stop_leaves_no_process_and_no_folder(
    engine: str, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTPS_PROXY", "MY_TOKEN"):
        monkeypatch.setenv(name, "the user's")
    running = lifecycle.start(engine, free_port)
    folder = state.private_folder(free_port)
    try:
        seen = run_a_function(running)
        members = [*using_folder(folder), psutil.Process(int(str(seen["pid"])))]
        assert "the user's" not in str(seen)
        assert running.pid in {process.pid for process in members}
    finally:
        assert lifecycle.stop(free_port)
    wait_until(lambda: not any(process.is_running() for process in members))
    assert using_folder(folder) == []
    assert not folder.exists()
    assert identify(running.endpoint_url) is None


def test_after_a_kill_nothing_is_left_either_and_it_starts_again_without_set_up(started: Running) -> None:
    seen = run_a_function(started)
    folder = state.private_folder(started.port)
    members = [*using_folder(folder), psutil.Process(int(str(seen["pid"])))]
    assert len({process.pid for process in members}) > 1, "the engine and its function's process"
    assert started.pid
    os.kill(started.pid, signal.SIGKILL)
    wait_until(lambda: lifecycle.status(started.port)[0].state == "gone")
    assert lifecycle.stop(started.port)
    wait_until(lambda: not any(process.is_running() for process in members))
    assert not folder.exists()
    said: list[str] = []
    assert not lifecycle.start(started.engine, started.port, observer=said.append).already_running
    assert [line for line in said if "setting up" in line] == []


@pytest.mark.ministack
def test_ministack_denies_what_iam_does_not_allow(free_port: int) -> None:
    running = lifecycle.start("ministack", free_port, Options(enforce_iam=True))
    try:
        root = open_endpoint(running.endpoint_url)
        root.iam.create_user(UserName="nobody")
        key = root.iam.create_access_key(UserName="nobody")["AccessKey"]
        nobody = boto3.client(
            "sqs",
            region_name="us-east-2",
            endpoint_url=running.endpoint_url,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
        with pytest.raises(ClientError, match="AccessDenied"):
            nobody.list_queues()
        root.sqs.list_queues()
    finally:
        lifecycle.stop(free_port)


@pytest.mark.ministack
def test_ministack_serves_tls_with_a_certificate_that_clients_can_trust(free_port: int) -> None:
    running = lifecycle.start("ministack", free_port, Options(tls=True))
    try:
        assert running.endpoint_url.startswith("https://")
        client = boto3.client(
            "s3",
            region_name="us-east-2",
            endpoint_url=running.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            verify=str(running.certificate_path),
            config=Config(retries={"total_max_attempts": 1}),
        )
        assert client.list_buckets()["Buckets"] == []
        ports = {c.laddr.port for c in psutil.Process(running.pid).net_connections("inet") if c.status == "LISTEN"}
        assert ports == {free_port}
    finally:
        lifecycle.stop(free_port)


@pytest.mark.ministack
def test_several_engines_at_once_know_nothing_of_each_other(free_port: int) -> None:
    first = lifecycle.start("ministack", free_port)
    second = lifecycle.start("ministack", free_port + 1)
    try:
        open_endpoint(first.endpoint_url).s3.create_bucket(
            Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
        )
        assert open_endpoint(second.endpoint_url).s3.list_buckets()["Buckets"] == []
        assert lifecycle.stop(first.port)
        assert identify(second.endpoint_url) is not None
    finally:
        lifecycle.stop(first.port)
        lifecycle.stop(second.port)
