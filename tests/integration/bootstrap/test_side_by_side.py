"""Several environments in one account: each is removed by itself; what isn't of it stays, byte for byte."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bootstrap import BootstrapError, down, status, up
from bootstrap.planner import NotOursError
from profiles.environment import Environment
from profiles.names import Names
from profiles.session import Aws
from tests.support.aws_calls import refuse_times
from tests.support.command_line import stockpipe
from tests.support.environments import at
from tests.support.sandboxes import ENGINES, Sandbox, sandbox_on


@pytest.fixture(params=ENGINES)
def endpoint_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param).endpoint_url
    return url


@pytest.fixture
def mine(endpoint_url: str) -> Iterator[Sandbox]:
    with sandbox_on(endpoint_url) as found:
        yield found


@pytest.fixture
def neighbour(mine: Sandbox) -> Iterator[Environment]:
    """Its prefix begins with ours: whoever looks for names by their beginning finds both."""
    environment = at(mine.aws, dataclasses.replace(mine.names, prefix=f"{mine.names.prefix}x"))
    yield environment
    down(environment, mine.settings)


def inventory(aws: Aws, names: Names) -> dict[str, Any]:
    """Everything there is of an environment, as AWS's own calls show it, contents included. Consumes nothing."""
    urls = {
        name: aws.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        for name in (names.queue, names.dead_letter_queue, names.inbox_queue)
    }
    keys = [found["Key"] for found in aws.s3.list_objects_v2(Bucket=names.bucket).get("Contents", [])]
    (mapping,) = aws.lambda_.list_event_source_mappings(FunctionName=names.function)["EventSourceMappings"]
    role_policies = aws.iam.list_role_policies(RoleName=names.role)["PolicyNames"]
    alarms = aws.cloudwatch.describe_alarms(AlarmNamePrefix=f"{names.prefix}-Stock")["MetricAlarms"]
    found = {
        "queues": [
            aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls.values()
        ],
        "queue tags": [aws.sqs.list_queue_tags(QueueUrl=url)["Tags"] for url in urls.values()],
        "objects": {key: aws.s3.get_object(Bucket=names.bucket, Key=key)["Body"].read() for key in keys},
        "bucket policy": aws.s3.get_bucket_policy(Bucket=names.bucket)["Policy"],
        "bucket tags": aws.s3.get_bucket_tagging(Bucket=names.bucket)["TagSet"],
        "topic": aws.sns.get_topic_attributes(TopicArn=names.topic_arn)["Attributes"],
        "subscriptions": aws.sns.list_subscriptions_by_topic(TopicArn=names.topic_arn)["Subscriptions"],
        "role": aws.iam.get_role(RoleName=names.role)["Role"],
        "policies": [
            aws.iam.get_role_policy(RoleName=names.role, PolicyName=name)["PolicyDocument"] for name in role_policies
        ],
        "function": aws.lambda_.get_function_configuration(FunctionName=names.function),
        "mapping": mapping,
        "log group": aws.logs.describe_log_groups(logGroupNamePrefix=names.log_group)["logGroups"],
        "alarms": sorted(alarm["AlarmArn"] for alarm in alarms),
    }
    return {name: _without_metadata(value) for name, value in found.items()}


def _without_metadata(value: Any) -> Any:
    """Without what the answer says about itself, and what changes by itself (an alarm's or mapping's last look)."""
    if isinstance(value, dict):
        return {
            key: _without_metadata(inner)
            for key, inner in value.items()
            if key not in ("ResponseMetadata", "LastProcessingResult", "RoleLastUsed")
        }
    return [_without_metadata(inner) for inner in value] if isinstance(value, list) else value


def test_down_of_one_leaves_the_other_byte_for_byte(mine: Sandbox, neighbour: Environment) -> None:
    aws, theirs = mine.aws, neighbour.names
    up(mine.environment, mine.settings)
    up(neighbour, mine.settings)
    for names in (mine.names, theirs):
        aws.s3.put_object(Bucket=names.bucket, Key="processed/TSLA/1-a.json", Body=names.bucket.encode())
        dead_letters = aws.sqs.get_queue_url(QueueName=names.dead_letter_queue)["QueueUrl"]
        aws.sqs.send_message(QueueUrl=dead_letters, MessageBody="dead")
    before = inventory(aws, theirs)

    down(mine.environment, mine.settings)

    assert inventory(aws, theirs) == before
    assert before["objects"] == {"processed/TSLA/1-a.json": theirs.bucket.encode()}
    assert "1" in [attributes["ApproximateNumberOfMessages"] for attributes in before["queues"]]
    assert not any(one.exists for one in status(mine.environment, mine.settings))
    assert all(one.as_declared for one in status(neighbour, mine.settings))


def test_down_asks_for_nothing_of_the_other(mine: Sandbox, neighbour: Environment) -> None:
    up(mine.environment, mine.settings)
    up(neighbour, mine.settings)
    mine.recorder.forget()

    down(mine.environment, mine.settings)

    parameters = [json.dumps(call.parameters, default=str) for call in mine.recorder.mutations]
    assert parameters
    assert not any(neighbour.names.prefix in sent for sent in parameters)


def test_one_bucket_is_not_shared_by_two_environments(mine: Sandbox, neighbour: Environment) -> None:
    aws, bucket = mine.aws, mine.names.bucket
    up(mine.environment, mine.settings)
    sharing = at(aws, dataclasses.replace(neighbour.names, bucket_override=bucket))

    with pytest.raises(NotOursError, match=f"bucket {bucket} belongs to the environment"):
        up(sharing, mine.settings)
    report = down(sharing, mine.settings)

    assert list(report.left) == [f"bucket {bucket}"]
    assert all(one.as_declared for one in status(mine.environment, mine.settings))


def test_what_has_our_name_but_not_our_tag_is_left_and_listed(
    mine: Sandbox, monkeypatch: pytest.MonkeyPatch, endpoint_url: str
) -> None:
    aws, names = mine.aws, mine.names
    up(mine.environment, mine.settings)
    url = aws.sqs.get_queue_url(QueueName=names.inbox_queue)["QueueUrl"]
    aws.sqs.untag_queue(QueueUrl=url, TagKeys=["stockpipe:environment"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)

    answer = stockpipe("down", "--prefix", names.prefix)

    assert answer.exit_code == 1
    assert f"left: queue {names.inbox_queue}: it has no tag stockpipe:environment={names.prefix}" in answer.stderr
    assert [one.resource for one in status(mine.environment, mine.settings) if one.exists] == [
        f"queue {names.inbox_queue}"
    ]
    aws.sqs.delete_queue(QueueUrl=url)


def test_down_says_when_the_queue_names_are_free_again(
    mine: Sandbox, monkeypatch: pytest.MonkeyPatch, endpoint_url: str
) -> None:
    up(mine.environment, mine.settings)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)

    first, second = (stockpipe("down", "--prefix", mine.names.prefix) for _ in range(2))

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "AWS lets queues of these names be made again after 60 s" in first.stderr
    assert "60 s" not in second.stderr
    assert "nothing to remove" in second.stdout


def test_what_could_not_be_removed_is_named_and_the_rest_is_gone(mine: Sandbox) -> None:
    names = mine.names
    up(mine.environment, mine.settings)
    text = "User: arn:aws:iam::1:user/a is not authorized to perform: sns:DeleteTopic"
    mine.recorder.intercept = refuse_times(1, "DeleteTopic", "AuthorizationError", text, 403)

    with pytest.raises(BootstrapError, match=f"topic {names.topic}: DeleteTopic was refused: .*{text}.*Run it again"):
        down(mine.environment, mine.settings)

    assert [one.resource for one in status(mine.environment, mine.settings) if one.exists] == [f"topic {names.topic}"]
    assert [action.resource for action in down(mine.environment, mine.settings).actions] == [f"topic {names.topic}"]


def test_a_kept_bucket_keeps_its_data_and_its_protections(mine: Sandbox) -> None:
    aws, names = mine.aws, mine.names
    up(mine.environment, mine.settings)
    aws.s3.put_object(Bucket=names.bucket, Key="processed/TSLA/1-a.json", Body=b"{}")
    protections = aws.s3.get_bucket_policy(Bucket=names.bucket)["Policy"]

    down(mine.environment, mine.settings, keep_data=True)

    assert aws.s3.get_object(Bucket=names.bucket, Key="processed/TSLA/1-a.json")["Body"].read() == b"{}"
    assert aws.s3.get_bucket_policy(Bucket=names.bucket)["Policy"] == protections
    (bucket,) = (one for one in status(mine.environment, mine.settings) if one.resource == f"bucket {names.bucket}")
    assert bucket.exists
    assert not bucket.drift
