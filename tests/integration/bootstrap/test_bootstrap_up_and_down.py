"""`up` and `down` on both engines, judged by the calls that were made and by what AWS's own clients then see."""

import dataclasses
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bootstrap import BootstrapError, down, plan, status, up
from bootstrap.executor import Event
from bootstrap.model import Verb
from bootstrap.planner import NotOursError
from profiles.session import Aws
from tests.support.aws_calls import refuse_times
from tests.support.environments import at, stock_settings
from tests.support.sandboxes import Sandbox

TAG = "stockpipe:environment"


def test_up_makes_everything_of_the_design(sandbox: Sandbox) -> None:
    aws, names = sandbox.aws, sandbox.names

    report = up(sandbox.environment, sandbox.settings)

    assert {action.verb for action in report.actions} == {Verb.CREATE}
    assert all(one.as_declared for one in status(sandbox.environment, sandbox.settings))
    queue = _queue_attributes(aws, names.queue)
    assert queue["VisibilityTimeout"] == "60"
    assert queue["SqsManagedSseEnabled"] == "true"
    redrive = json.loads(queue["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == names.dead_letter_queue_arn
    assert int(redrive["maxReceiveCount"]) == 5
    allowed = json.loads(_queue_attributes(aws, names.dead_letter_queue)["RedriveAllowPolicy"])
    assert allowed == {"redrivePermission": "byQueue", "sourceQueueArns": [names.queue_arn]}
    function = aws.lambda_.get_function_configuration(FunctionName=names.function)
    assert (function["Runtime"], function["Handler"]) == ("python3.11", "process_stock.lambda_handler")
    assert function["State"] == "Active"
    assert function["Environment"]["Variables"]["ALERT_THRESHOLD"] == "1200"
    (mapping,) = aws.lambda_.list_event_source_mappings(FunctionName=names.function)["EventSourceMappings"]
    assert (mapping["State"], mapping["BatchSize"]) == ("Enabled", 10)
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    alarms = aws.cloudwatch.describe_alarms(AlarmNamePrefix=names.prefix)["MetricAlarms"]
    assert {alarm["MetricName"]: alarm["AlarmActions"] for alarm in alarms} == {
        "ApproximateNumberOfMessagesVisible": [names.topic_arn],
        "ApproximateAgeOfOldestMessage": [names.topic_arn],
        "Errors": [names.topic_arn],
    }
    (group,) = aws.logs.describe_log_groups(logGroupNamePrefix=names.log_group)["logGroups"]
    assert group["retentionInDays"] == 14
    block = aws.s3.get_public_access_block(Bucket=names.bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert aws.s3.get_bucket_location(Bucket=names.bucket)["LocationConstraint"] == "us-east-2"


def test_everything_that_can_carry_the_tag_does(sandbox: Sandbox) -> None:
    aws, names = sandbox.aws, sandbox.names
    up(sandbox.environment, sandbox.settings)

    (mapping,) = aws.lambda_.list_event_source_mappings(FunctionName=names.function)["EventSourceMappings"]
    mapping_arn = names.arn("lambda", f"event-source-mapping:{mapping['UUID']}")
    found: list[dict[str, str]] = [
        *(
            aws.sqs.list_queue_tags(QueueUrl=aws.sqs.get_queue_url(QueueName=name)["QueueUrl"])["Tags"]
            for name in (names.queue, names.dead_letter_queue, names.inbox_queue)
        ),
        _pairs(aws.sns.list_tags_for_resource(ResourceArn=names.topic_arn)["Tags"]),
        _pairs(aws.s3.get_bucket_tagging(Bucket=names.bucket)["TagSet"]),
        _pairs(aws.iam.list_role_tags(RoleName=names.role)["Tags"]),
        aws.logs.list_tags_for_resource(resourceArn=names.arn("logs", f"log-group:{names.log_group}"))["tags"],
        aws.lambda_.list_tags(Resource=names.function_arn)["Tags"],
        aws.lambda_.list_tags(Resource=mapping_arn)["Tags"],
    ]

    alarms = aws.cloudwatch.describe_alarms(AlarmNamePrefix=names.prefix)["MetricAlarms"]
    found += [_pairs(aws.cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]) for alarm in alarms]

    assert [tags.get(TAG) for tags in found] == [names.environment] * 12


def test_up_again_makes_not_one_mutating_call(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    sandbox.recorder.forget()

    report = up(sandbox.environment, sandbox.settings)

    assert not report.changed
    assert sandbox.recorder.operations
    assert sandbox.recorder.mutations == []


def test_plan_and_status_make_not_one_mutating_call(sandbox: Sandbox) -> None:
    found = plan(sandbox.environment, sandbox.settings)
    states = status(sandbox.environment, sandbox.settings)

    assert {action.verb for action in found.actions} == {Verb.CREATE}
    assert not any(one.exists for one in states)
    assert sandbox.recorder.mutations == []


@pytest.mark.parametrize(
    ("changed", "operations"),
    [
        ({"alert_threshold": 900.0}, ["UpdateFunctionConfiguration"]),
        ({"max_receive_count": 7}, ["SetQueueAttributes"]),
        ({"batch_size": 5}, ["UpdateEventSourceMapping"]),
        ({"log_retention_days": 30}, ["PutRetentionPolicy"]),
        ({"alert_email": "alerts@example.com"}, ["Subscribe"]),
        # the alarm on old messages follows the visibility timeout
        ({"function_timeout_seconds": 20}, ["PutMetricAlarm", "SetQueueAttributes", "UpdateFunctionConfiguration"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_changed_setting_is_exactly_its_update(
    sandbox: Sandbox, changed: dict[str, Any], operations: list[str]
) -> None:
    up(sandbox.environment, sandbox.settings)
    sandbox.recorder.forget()
    wanted = stock_settings(**changed)

    up(sandbox.environment, wanted)

    assert sorted(call.operation for call in sandbox.recorder.mutations) == operations
    assert plan(sandbox.environment, wanted).changes == ()


def test_what_somebody_else_changed_is_shown_and_put_right(sandbox: Sandbox) -> None:
    aws, names = sandbox.aws, sandbox.names
    up(sandbox.environment, sandbox.settings)
    url = aws.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"]
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    aws.s3.delete_bucket_policy(Bucket=names.bucket)
    aws.iam.attach_role_policy(RoleName=names.role, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")

    drifted = {one.resource for one in status(sandbox.environment, sandbox.settings) if one.drift}
    up(sandbox.environment, sandbox.settings)

    assert drifted == {f"queue {names.queue}", f"bucket {names.bucket}", f"role {names.role}"}
    assert not any(one.drift for one in status(sandbox.environment, sandbox.settings))
    assert aws.iam.list_attached_role_policies(RoleName=names.role)["AttachedPolicies"] == []


def test_down_leaves_nothing_not_even_versions_or_uploads(sandbox: Sandbox) -> None:
    aws, names = sandbox.aws, sandbox.names
    up(sandbox.environment, sandbox.settings)
    aws.s3.put_bucket_versioning(Bucket=names.bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        aws.s3.put_object(Bucket=names.bucket, Key="processed/TSLA/1.json", Body=body)
    aws.s3.delete_object(Bucket=names.bucket, Key="processed/TSLA/1.json")
    aws.s3.create_multipart_upload(Bucket=names.bucket, Key="unfinished")

    report = down(sandbox.environment, sandbox.settings)

    assert {action.verb for action in report.actions} == {Verb.DELETE}
    assert report.left == {}
    assert not any(one.exists for one in status(sandbox.environment, sandbox.settings))
    assert aws.logs.describe_log_groups(logGroupNamePrefix=names.log_group)["logGroups"] == []
    sandbox.recorder.forget()
    assert not down(sandbox.environment, sandbox.settings).changed
    assert sandbox.recorder.mutations == []


def test_down_with_keep_data_keeps_the_bucket_and_what_is_in_it(sandbox: Sandbox) -> None:
    aws, names = sandbox.aws, sandbox.names
    up(sandbox.environment, sandbox.settings)
    aws.s3.put_object(Bucket=names.bucket, Key="processed/TSLA/1.json", Body=b"{}")

    report = down(sandbox.environment, sandbox.settings, keep_data=True)

    assert report.left == {f"bucket {names.bucket}": "kept, as asked"}
    assert aws.s3.get_object(Bucket=names.bucket, Key="processed/TSLA/1.json")["Body"].read() == b"{}"
    assert [one.resource for one in status(sandbox.environment, sandbox.settings) if one.exists] == [
        f"bucket {names.bucket}"
    ]


def test_a_bucket_with_data_that_stockpipe_did_not_make_is_neither_taken_nor_removed(sandbox: Sandbox) -> None:
    aws, names = sandbox.aws, sandbox.names
    aws.s3.create_bucket(Bucket=names.bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    aws.s3.put_object(Bucket=names.bucket, Key="mine", Body=b"")
    sandbox.recorder.forget()

    with pytest.raises(NotOursError, match="wasn't made by stockpipe"):
        up(sandbox.environment, sandbox.settings)
    report = down(sandbox.environment, sandbox.settings)

    assert sandbox.recorder.mutations == []
    assert f"bucket {names.bucket}" in report.left


def test_environments_side_by_side_do_not_touch_each_other(sandbox: Sandbox) -> None:
    aws, names = sandbox.aws, sandbox.names
    neighbour = at(aws, dataclasses.replace(names, prefix=f"{names.prefix}b"))
    up(sandbox.environment, sandbox.settings)
    up(neighbour, sandbox.settings)

    down(neighbour, sandbox.settings)

    assert all(one.as_declared for one in status(sandbox.environment, sandbox.settings))
    assert not any(one.exists for one in status(neighbour, sandbox.settings))


def test_a_refusal_stops_what_needs_it_and_says_what_aws_said(sandbox: Sandbox) -> None:
    names = sandbox.names
    text = "User: arn:aws:iam::1:user/a is not authorized to perform: lambda:CreateFunction"
    sandbox.recorder.intercept = refuse_times(1, "CreateFunction", "AccessDeniedException", text, 403)
    events: list[Event] = []

    with pytest.raises(BootstrapError, match=f"function {names.function}: .*{text}.*Run it again"):
        up(sandbox.environment, sandbox.settings, events.append)

    ended = {event.action.resource: event.state for event in events}
    assert ended[f"event source mapping {names.queue} → {names.function}"] == "skipped"
    assert ended[f"bucket {names.bucket}"] == "done"


def _queue_attributes(aws: Aws, name: str) -> dict[str, str]:
    url = aws.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return {
        str(key): value
        for key, value in aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"].items()
    }


def _pairs(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_the_queue_does_not_exist_any_more_for_other_clients(sandbox: Sandbox) -> None:
    aws, names = sandbox.aws, sandbox.names
    up(sandbox.environment, sandbox.settings)
    down(sandbox.environment, sandbox.settings)

    with pytest.raises(ClientError, match="NonExistentQueue"):
        aws.sqs.get_queue_url(QueueName=names.queue)
