"""Somebody else changes the environment between our look and our call: AWS then answers as quoted here.

The other one really makes (or removes) the resource on ministack first; then our call gets AWS's own answer.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from bootstrap import BootstrapError, down, plan, status, up
from bootstrap.resource import environment_tags
from profiles.errors import CannotRunError
from profiles.session import Aws, open_endpoint
from runtime.clock import Clock
from tests.support.aws_calls import Answer, FakeClock, HurriedClock, acceptance, refusal, refuse_times
from tests.support.environments import STOCKS, at, role_permissions, stock_settings
from tests.support.sandboxes import Sandbox, sandbox_on

_QUEUE_EXISTS = "A queue already exists with the same name and a different value for attribute VisibilityTimeout"
_TOPIC_EXISTS = "Invalid parameter: Attributes Reason: Topic already exists with different tags"
_OWNED = "Your previous request to create the named bucket succeeded and you already own it."
_MAPPING_EXISTS = (
    'An event source mapping with SQS arn (" arn:aws:sqs:us-east-2:123456789012:StockQueue ") and function '
    '(" StockProcessor ") already exists. Please update or delete the existing mapping with UUID 0000'
)


def _somebody_first(other: Aws, service: str, operation: str, changed: dict[str, Any], error: Answer) -> Any:
    """Before our first such call, another client makes the same, with other attributes; we get the error."""
    met: list[str] = []

    def intercept(called: str, parameters: Mapping[str, Any]) -> Answer | None:
        if called != operation or met:
            return None
        met.append(called)
        getattr(other.client(service), xform_name(operation))(**{**parameters, **changed})
        return error

    return intercept


@pytest.mark.parametrize(
    ("service", "operation", "changed", "code", "text"),
    [
        ("sqs", "CreateQueue", {"Attributes": {"VisibilityTimeout": "7"}}, "QueueAlreadyExists", _QUEUE_EXISTS),
        ("sqs", "CreateQueue", {"Attributes": {"VisibilityTimeout": "7"}}, "QueueNameExists", _QUEUE_EXISTS),
        ("sns", "CreateTopic", {"Attributes": {"DisplayName": "x"}}, "InvalidParameter", _TOPIC_EXISTS),
        ("s3", "CreateBucket", {}, "BucketAlreadyOwnedByYou", _OWNED),
        (
            "iam",
            "CreateRole",
            {"Description": "x"},
            "EntityAlreadyExists",
            "Role with name StockPipelineLambdaRole exists.",
        ),
        ("athena", "CreateWorkGroup", {"Configuration": {}}, "InvalidRequestException", "WorkGroup is already created"),
        (
            "athena",
            "CreateWorkGroup",
            {"Description": "x"},
            "InvalidRequestException",
            "WorkGroup stock already exists",
        ),
        ("glue", "CreateDatabase", {}, "AlreadyExistsException", "Database already exists."),
        ("glue", "CreateTable", {}, "AlreadyExistsException", "Table already exists."),
        ("logs", "CreateLogGroup", {"tags": {}}, "ResourceAlreadyExistsException", "The log group already exists"),
        ("lambda", "CreateFunction", {"Timeout": 3}, "ResourceConflictException", "Function already exist: f"),
        ("lambda", "CreateEventSourceMapping", {"BatchSize": 1}, "ResourceConflictException", _MAPPING_EXISTS),
    ],
)
def test_what_somebody_else_made_first_is_looked_at_again_and_put_right(
    *, sandbox: Sandbox, service: str, operation: str, changed: dict[str, Any], code: str, text: str
) -> None:
    other = open_endpoint(str(sandbox.aws.profile.endpoint_url))
    sandbox.recorder.intercept = _somebody_first(other, service, operation, changed, refusal(code, text, 409))

    up(sandbox.environment, sandbox.settings)

    assert all(one.as_declared for one in status(sandbox.environment, sandbox.settings))
    (mapping,) = other.lambda_.list_event_source_mappings(FunctionName=sandbox.names.function)["EventSourceMappings"]
    assert mapping["BatchSize"] == 10


@pytest.mark.parametrize(
    ("service", "operation", "code", "text"),
    [
        ("sns", "CreateTopic", "InvalidParameter", _TOPIC_EXISTS),
        ("iam", "CreateRole", "EntityAlreadyExists", "Role with name StockPipelineLambdaRole exists."),
        ("athena", "CreateWorkGroup", "InvalidRequestException", "WorkGroup is already created"),
    ],
)
def test_what_somebody_else_made_for_themselves_is_not_taken(
    *, sandbox: Sandbox, service: str, operation: str, code: str, text: str
) -> None:
    other = open_endpoint(str(sandbox.aws.profile.endpoint_url))
    sandbox.recorder.intercept = _somebody_first(other, service, operation, {"Tags": []}, refusal(code, text, 409))

    with pytest.raises(CannotRunError, match=r"is there and wasn't made by stockpipe: choose other names"):
        up(sandbox.environment, sandbox.settings)


def test_a_workgroup_that_athena_refuses_for_another_reason_is_no_race(sandbox: Sandbox) -> None:
    refused = "Invalid output location: it is not in this region"
    sandbox.recorder.intercept = refuse_times(1000, "CreateWorkGroup", "InvalidRequestException", refused)

    with pytest.raises(BootstrapError, match=f"CreateWorkGroup was refused.*{refused}"):
        up(sandbox.environment, sandbox.settings)

    assert sandbox.recorder.operations.count("CreateWorkGroup") == 1


def test_it_gives_up_when_somebody_keeps_interfering(sandbox: Sandbox) -> None:
    clock = HurriedClock()
    sandbox.recorder.intercept = refuse_times(1000, "CreateTopic", "InvalidParameter", _TOPIC_EXISTS)

    with pytest.raises(BootstrapError, match="somebody else keeps changing this environment"):
        up(sandbox.environment, sandbox.settings, clock=Clock(monotonic=clock.monotonic, sleep=clock.sleep))

    assert clock.slept > 60


def test_two_at_once_end_with_the_environment_as_declared(localstack: Any) -> None:
    """On LocalStack: like AWS, and unlike ministack, it refuses a second mapping of the same queue and function."""
    with sandbox_on(localstack.endpoint_url) as sandbox:
        clients = [open_endpoint(localstack.endpoint_url) for _ in range(2)]

        with ThreadPoolExecutor(len(clients)) as pool:
            list(pool.map(lambda aws: up(at(aws, sandbox.names), sandbox.settings), clients))

        assert plan(sandbox.environment, sandbox.settings).changes == ()
        names = sandbox.names
        mappings = clients[0].lambda_.list_event_source_mappings(FunctionName=names.function)["EventSourceMappings"]
        assert len(mappings) == 1
        assert len(clients[0].sns.list_subscriptions_by_topic(TopicArn=names.topic_arn)["Subscriptions"]) == 1


def test_a_role_that_gets_another_policy_while_it_is_removed_is_removed_all_the_same(sandbox: Sandbox) -> None:
    other, role = open_endpoint(str(sandbox.aws.profile.endpoint_url)), sandbox.names.role
    up(sandbox.environment, sandbox.settings)
    met: list[str] = []

    def intercept(called: str, _: Mapping[str, Any]) -> Answer | None:
        if called == "DeleteRole" and not met:
            met.append(called)
            other.iam.put_role_policy(
                RoleName=role,
                PolicyName="late",
                PolicyDocument=json.dumps(role_permissions(STOCKS, sandbox.names)),
            )
            return refusal("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
        return None

    sandbox.recorder.intercept = intercept
    down(sandbox.environment, sandbox.settings)

    with pytest.raises(ClientError, match="NoSuchEntity"):
        other.iam.get_role(RoleName=role)


def test_a_record_written_while_the_bucket_is_removed_goes_with_it(sandbox: Sandbox) -> None:
    other, bucket = open_endpoint(str(sandbox.aws.profile.endpoint_url)), sandbox.names.bucket
    up(sandbox.environment, sandbox.settings)
    met: list[str] = []

    def intercept(called: str, _: Mapping[str, Any]) -> Answer | None:
        if called == "DeleteBucket" and not met:
            met.append(called)
            other.s3.put_object(Bucket=bucket, Key="processed/TSLA/1.json", Body=b"{}")
        return None

    sandbox.recorder.intercept = intercept
    down(sandbox.environment, sandbox.settings)

    with pytest.raises(ClientError, match="404"):
        other.s3.head_bucket(Bucket=bucket)


def test_a_deleted_queue_that_is_still_shown_is_waited_for(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    down(sandbox.environment, sandbox.settings)
    clock, shown = FakeClock(), [0]
    name, arn = sandbox.names.queue, sandbox.names.queue_arn
    ghost: dict[str, dict[str, Any]] = {
        "GetQueueUrl": {"QueueUrl": f"{sandbox.aws.profile.endpoint_url}/{sandbox.aws.account}/{name}"},
        "GetQueueAttributes": {"Attributes": {"QueueArn": arn}},
        "ListQueueTags": {"Tags": environment_tags(sandbox.names)},
    }

    def intercept(called: str, parameters: Mapping[str, Any]) -> Answer | None:
        meant = str(parameters.get("QueueName") or parameters.get("QueueUrl")).rpartition("/")[2]
        if called not in ghost or meant != name or clock.time > 80:
            return None
        shown[0] += 1
        return acceptance(**ghost[called])

    sandbox.recorder.intercept = intercept
    down(sandbox.environment, sandbox.settings, clock=Clock(monotonic=clock.monotonic, sleep=clock.sleep))

    assert shown[0] > 3
    assert 80 < clock.time < 110


def test_a_role_that_was_deleted_and_made_again_is_given_to_the_function_again(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    names = sandbox.names
    sandbox.aws.iam.delete_role_policy(RoleName=names.role, PolicyName=names.policy)
    sandbox.aws.iam.delete_role(RoleName=names.role)
    sandbox.recorder.forget()

    up(sandbox.environment, sandbox.settings)

    made = [call.operation for call in sandbox.recorder.mutations]
    assert made == ["CreateRole", "PutRolePolicy", "UpdateFunctionConfiguration"]


def test_the_visibility_timeout_is_raised_before_the_function_timeout(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    sandbox.recorder.forget()

    up(sandbox.environment, stock_settings(function_timeout_seconds=100))

    made = [call.operation for call in sandbox.recorder.mutations if call.service in ("sqs", "lambda")]
    assert made == ["SetQueueAttributes", "UpdateFunctionConfiguration"]


def test_a_bucket_that_somebody_else_owns_is_said_so_before_anything_is_made(sandbox: Sandbox) -> None:
    sandbox.recorder.intercept = refuse_times(1, "HeadBucket", "403", "Forbidden", 403)

    with pytest.raises(CannotRunError, match="somebody else has this one: choose another with --bucket"):
        up(sandbox.environment, sandbox.settings)

    assert sandbox.recorder.mutations == []


def test_an_unconfirmed_email_subscription_is_found_by_its_address(sandbox: Sandbox) -> None:
    settings = stock_settings(alert_email="alerts@example.com")
    up(sandbox.environment, settings)
    topic = sandbox.names.topic_arn
    pending = {
        "SubscriptionArn": "PendingConfirmation",
        "Protocol": "email",
        "Endpoint": "alerts@example.com",
        "TopicArn": topic,
        "Owner": sandbox.aws.account,
    }
    real = sandbox.aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    listed = [pending if found["Protocol"] == "email" else found for found in real]
    good = acceptance(Subscriptions=listed)
    sandbox.recorder.intercept = lambda called, _: good if called == "ListSubscriptionsByTopic" else None
    sandbox.recorder.forget()

    up(sandbox.environment, settings)
    states = {one.resource: one.state for one in status(sandbox.environment, settings)}

    assert sandbox.recorder.mutations == []
    assert states[f"subscription {sandbox.names.topic} → email:alerts@example.com"] == "pending confirmation"
