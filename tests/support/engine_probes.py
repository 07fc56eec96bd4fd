"""What an engine answers where engines are known to differ from AWS: one small experiment each.

`AWS` says what AWS does, by its documentation or as recorded there (the facts that each probe's `source` names). What
the engines do is seen by running the probes; `tests/integration/engines` makes the table in docs/engines.md from it.
"""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from profiles.names import REGION
from profiles.session import CLIENT_CONFIG, Aws

ROLE = "arn:aws:iam::{account}:role/nobody"


@dataclass(frozen=True)
class Probe:
    """An experiment: `what` is tried, what AWS says to it, and where that is written."""

    what: str
    on_aws: str
    source: str
    run: Callable[[Aws, str], str]


def answer_of(call: Callable[[], Any], accepted: str = "accepted") -> str:
    """`accepted`, or the error code that the call was refused with."""
    try:
        call()
    except ClientError as error:
        return f"refused: {error.response['Error']['Code']}"
    return accepted


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return None\n")
    return file.getvalue()


def _function(aws: Aws, name: str, **settings: Any) -> str:
    aws.lambda_.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=ROLE.format(account=aws.account),
        Handler="index.handler",
        Code={"ZipFile": _zip()},
        **settings,
    )
    aws.lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return name


def _queue(aws: Aws, name: str) -> tuple[str, str]:
    url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{aws.account}:{name}"


def _alarm_tags(aws: Aws, name: str) -> str:
    aws.cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="probe",
        MetricName="probe",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Tags=[{"Key": "a", "Value": "b"}],
    )
    arn = aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"]
    return "tags the alarm" if aws.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] else "drops the tags"


def _second_mapping(aws: Aws, name: str) -> str:
    _, arn = _queue(aws, name)
    function = _function(aws, name)
    aws.lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
    return answer_of(lambda: aws.lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName=function))


def _large_batch_without_window(aws: Aws, name: str) -> str:
    _, arn = _queue(aws, name)
    function = _function(aws, name)
    return answer_of(
        lambda: aws.lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName=function, BatchSize=100)
    )


def _mapping_of_missing_queue(aws: Aws, name: str) -> str:
    function = _function(aws, name)
    arn = f"arn:aws:sqs:{REGION}:{aws.account}:{name}-missing"
    return answer_of(lambda: aws.lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName=function))


def _role_that_does_not_exist(aws: Aws, name: str) -> str:
    return answer_of(lambda: _function(aws, name))


def _reserved_variable(aws: Aws, name: str) -> str:
    return answer_of(lambda: _function(aws, name, Environment={"Variables": {"AWS_REGION": "eu-west-1"}}))


def _queue_deleted_recently(aws: Aws, name: str) -> str:
    url, _ = _queue(aws, name)
    aws.sqs.delete_queue(QueueUrl=url)
    return answer_of(lambda: aws.sqs.create_queue(QueueName=name))


def _purged_twice(aws: Aws, name: str) -> str:
    url, _ = _queue(aws, name)
    aws.sqs.purge_queue(QueueUrl=url)
    return answer_of(lambda: aws.sqs.purge_queue(QueueUrl=url))


def _other_attributes(aws: Aws, name: str) -> str:
    _queue(aws, name)
    return answer_of(lambda: aws.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "77"}))


def _without_location(aws: Aws, name: str) -> str:
    return answer_of(lambda: aws.s3.create_bucket(Bucket=name))


def _bucket(aws: Aws, name: str) -> str:
    aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    return name


def _public_access_block(aws: Aws, name: str) -> str:
    _bucket(aws, name)
    try:
        block = aws.s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    except ClientError:
        return "off until it is set"
    return "on" if all(block.values()) else "partly on"


def _public_policy(aws: Aws, name: str) -> str:
    _bucket(aws, name)
    aws.s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return answer_of(lambda: aws.s3.put_bucket_policy(Bucket=name, Policy=policy))


def _created_twice(aws: Aws, name: str) -> str:
    _bucket(aws, name)
    aws.s3.put_object(Bucket=name, Key="key", Body=b"1", IfNoneMatch="*")
    return answer_of(lambda: aws.s3.put_object(Bucket=name, Key="key", Body=b"2", IfNoneMatch="*"))


def _topic_with_other_tags(aws: Aws, name: str) -> str:
    aws.sns.create_topic(Name=name, Tags=[{"Key": "a", "Value": "1"}])
    return answer_of(lambda: aws.sns.create_topic(Name=name, Tags=[{"Key": "a", "Value": "2"}]))


def _inbox_without_policy(aws: Aws, name: str) -> str:
    url, arn = _queue(aws, name)
    topic = aws.sns.create_topic(Name=name)["TopicArn"]
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    aws.sns.publish(TopicArn=topic, Message="hello")
    messages = aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages")
    return "delivered" if messages else "not delivered"


def _stranger(aws: Aws, name: str) -> str:
    """A user without any policy lists the buckets."""
    aws.iam.create_user(UserName=name)
    key = aws.iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    stranger = session.client("s3", endpoint_url=aws.profile.endpoint_url, config=CLIENT_CONFIG)
    return answer_of(stranger.list_buckets, "allowed")


def _move_task(aws: Aws, name: str) -> str:
    _, dead = _queue(aws, f"{name}-dlq")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": "5"})
    aws.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive})
    return answer_of(lambda: aws.sqs.start_message_move_task(SourceArn=dead))


def _workgroups(aws: Aws, _name: str) -> str:
    return answer_of(aws.athena.list_work_groups)


_SQS_GUIDE = "SQS API reference"
_LAMBDA_GUIDE = "Lambda API reference"
_RECORDED = "recorded on AWS"

PROBES = (
    Probe(
        "a function with a role that does not exist",
        "refused: InvalidParameterValueException",
        _LAMBDA_GUIDE,
        _role_that_does_not_exist,
    ),
    Probe(
        "a function with the reserved variable AWS_REGION",
        "refused: InvalidParameterValueException",
        _LAMBDA_GUIDE,
        _reserved_variable,
    ),
    Probe(
        "a second mapping of the same queue and function",
        "refused: ResourceConflictException",
        _RECORDED,
        _second_mapping,
    ),
    Probe(
        "a mapping of a queue that does not exist",
        "refused: InvalidParameterValueException",
        _LAMBDA_GUIDE,
        _mapping_of_missing_queue,
    ),
    Probe(
        "a mapping with batch size 100 and no batch window",
        "refused: InvalidParameterValueException",
        _RECORDED,
        _large_batch_without_window,
    ),
    Probe(
        "a queue of a name deleted less than 60 s ago",
        "refused: AWS.SimpleQueueService.QueueDeletedRecently",
        _RECORDED,
        _queue_deleted_recently,
    ),
    Probe("the same queue with other attributes", "refused: QueueAlreadyExists", _RECORDED, _other_attributes),
    Probe(
        "purging a queue twice in 60 s",
        "refused: AWS.SimpleQueueService.PurgeQueueInProgress",
        _RECORDED,
        _purged_twice,
    ),
    Probe("a redrive task of a dead-letter queue", "accepted", _SQS_GUIDE, _move_task),
    Probe("the same topic with other tags", "refused: InvalidParameter", _RECORDED, _topic_with_other_tags),
    Probe(
        "SNS to a queue whose policy does not allow it", "not delivered", "SNS developer guide", _inbox_without_policy
    ),
    Probe(
        "a bucket in us-east-2 without LocationConstraint",
        "refused: IllegalLocationConstraintException",
        "S3 API reference",
        _without_location,
    ),
    Probe("public access block of a new bucket", "on", "S3 user guide", _public_access_block),
    Probe("a public policy on a bucket that blocks it", "refused: AccessDenied", "S3 user guide", _public_policy),
    Probe(
        "PutObject with If-None-Match on an existing key",
        "refused: PreconditionFailed",
        "S3 user guide",
        _created_twice,
    ),
    Probe("PutMetricAlarm with tags", "tags the alarm", "CloudWatch API reference", _alarm_tags),
    Probe("a user without any policy lists buckets", "refused: AccessDenied", "IAM user guide", _stranger),
    Probe("listing Athena's workgroups", "accepted", "Athena API reference", _workgroups),
)


def fresh_name() -> str:
    """A name that is free on any engine, and valid for every service."""
    return f"probe-{uuid.uuid4().hex[:12]}"
