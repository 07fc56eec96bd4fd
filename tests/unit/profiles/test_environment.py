"""What is said where part of an environment is missing: the command that makes exactly this environment."""

import shlex
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from profiles.environment import MISSING_QUEUE_CODES, environment_made_at, queue_url, up_command
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import Aws, Profile


def aws_with(profile: str) -> Aws:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-2")
    return Aws(Profile(profile, "http://127.0.0.1:1"), session)


@pytest.mark.parametrize(
    ("profile", "names", "command"),
    [
        ("local", Names("000000000000"), "stockpipe up"),
        ("prod", Names("000000000000"), "stockpipe up --profile prod"),
        ("local", Names("000000000000", "alice", "my-bucket"), "stockpipe up --prefix alice --bucket my-bucket"),
        ("prod", Names("000000000000", "alice"), "stockpipe up --profile prod --prefix alice"),
    ],
)
def test_the_command_names_what_is_not_the_default(profile: str, names: Names, command: str) -> None:
    assert up_command(aws_with(profile), names) == command


def test_the_command_can_be_pasted_into_a_shell() -> None:
    command = up_command(aws_with("my team; ls"), Names("000000000000"))
    assert shlex.split(command) == ["stockpipe", "up", "--profile", "my team; ls"]


@pytest.mark.parametrize("code", MISSING_QUEUE_CODES)
def test_a_missing_queue_says_what_to_run(code: str) -> None:
    aws, names = aws_with("prod"), Names("000000000000", "alice")
    with Stubber(aws.sqs) as stub:
        stub.add_client_error("get_queue_url", code, "no", 400)
        with pytest.raises(CannotRunError) as raised:
            queue_url(aws, names, names.dead_letter_queue)
    assert str(raised.value) == (
        "there is no queue alice-StockQueue-dlq in profile prod; run: stockpipe up --profile prod --prefix alice"
    )


def test_another_refusal_is_not_taken_for_a_missing_queue() -> None:
    aws, names = aws_with("local"), Names("000000000000")
    with Stubber(aws.sqs) as stub:
        stub.add_client_error("get_queue_url", "AccessDenied", "no", 403)
        with pytest.raises(ClientError, match="AccessDenied"):
            queue_url(aws, names, names.queue)


def test_an_answer_without_a_url_is_one_clear_line() -> None:
    """Such as a proxy's page, which botocore reads as an answer without any field."""
    aws, names = aws_with("local"), Names("000000000000")
    with Stubber(aws.sqs) as stub:
        stub.add_response("get_queue_url", {})
        with pytest.raises(CannotRunError, match="the endpoint of profile local returned no URL for queue StockQueue"):
            queue_url(aws, names, names.queue)


def test_an_environment_is_as_old_as_its_tick_queue() -> None:
    aws, names = aws_with("local"), Names("000000000000", "alice")
    queue = {"QueueUrl": "http://localhost/alice-StockQueue"}
    with Stubber(aws.sqs) as stub:
        stub.add_response("get_queue_url", queue, {"QueueName": "alice-StockQueue"})
        stub.add_response(
            "get_queue_attributes",
            {"Attributes": {"CreatedTimestamp": "1767623400"}},
            {**queue, "AttributeNames": ["CreatedTimestamp"]},
        )
        assert environment_made_at(aws, names) == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
