"""What is said where part of an environment is missing: the command that makes exactly this environment."""

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from profiles.environment import MISSING_QUEUE_CODES, Environment, environment_made_at, queue_url, up_command
from profiles.errors import CannotRunError
from profiles.pipeline import Pipeline
from profiles.session import Aws, Profile
from tests.support.environments import at, stock_names


def environment_of(profile: str, prefix: str = "", bucket: str | None = None) -> Environment:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-2")
    aws = Aws(Profile(profile, "http://127.0.0.1:1"), session)
    return at(aws, stock_names("000000000000", prefix, bucket))


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        (environment_of("local"), "stockpipe up"),
        (environment_of("prod"), "stockpipe up --profile prod"),
        (environment_of("local", "alice", "my-bucket"), "stockpipe up --prefix alice --bucket my-bucket"),
        (environment_of("prod", "alice"), "stockpipe up --profile prod --prefix alice"),
    ],
)
def test_the_command_names_what_is_not_the_default(environment: Environment, command: str) -> None:
    assert up_command(environment) == command


def test_the_command_names_another_pipelines_folder(tmp_path: Path) -> None:
    other = replace(environment_of("local"), pipeline=Pipeline(tmp_path / "my sensors", "sensors"))
    assert shlex.split(up_command(other)) == ["stockpipe", "up", "--pipeline", str(tmp_path / "my sensors")]


def test_the_command_can_be_pasted_into_a_shell() -> None:
    command = up_command(environment_of("my team; ls"))
    assert shlex.split(command) == ["stockpipe", "up", "--profile", "my team; ls"]


@pytest.mark.parametrize("code", MISSING_QUEUE_CODES)
def test_a_missing_queue_says_what_to_run(code: str) -> None:
    environment = environment_of("prod", "alice")
    with Stubber(environment.aws.sqs) as stub:
        stub.add_client_error("get_queue_url", code, "no", 400)
        with pytest.raises(CannotRunError) as raised:
            queue_url(environment, environment.names.dead_letter_queue)
    assert str(raised.value) == (
        "there is no queue alice-StockQueue-dlq in profile prod; run: stockpipe up --profile prod --prefix alice"
    )


def test_another_refusal_is_not_taken_for_a_missing_queue() -> None:
    environment = environment_of("local")
    with Stubber(environment.aws.sqs) as stub:
        stub.add_client_error("get_queue_url", "AccessDenied", "no", 403)
        with pytest.raises(ClientError, match="AccessDenied"):
            queue_url(environment, environment.names.queue)


def test_an_answer_without_a_url_is_one_clear_line() -> None:
    """Such as a proxy's page, which botocore reads as an answer without any field."""
    environment = environment_of("local")
    with Stubber(environment.aws.sqs) as stub:
        stub.add_response("get_queue_url", {})
        with pytest.raises(CannotRunError, match="the endpoint of profile local returned no URL for queue StockQueue"):
            queue_url(environment, environment.names.queue)


def test_an_environment_is_as_old_as_its_tick_queue() -> None:
    environment = environment_of("local", "alice")
    queue = {"QueueUrl": "http://localhost/alice-StockQueue"}
    with Stubber(environment.aws.sqs) as stub:
        stub.add_response("get_queue_url", queue, {"QueueName": "alice-StockQueue"})
        stub.add_response(
            "get_queue_attributes",
            {"Attributes": {"CreatedTimestamp": "1767623400"}},
            {**queue, "AttributeNames": ["CreatedTimestamp"]},
        )
        assert environment_made_at(environment) == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
