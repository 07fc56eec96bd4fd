"""Which resources the pipeline has, by AWS's names, in the order in which a reading meets them.

Besides what every pipeline has, this one keeps all alerts: the queue `SensorAlertsArchive` is subscribed to the topic.
"""

from pathlib import Path
from typing import Any

from bootstrap import policies
from bootstrap.function_zip import FunctionZip
from bootstrap.model import Resource, id_of
from bootstrap.resources import athena, iam, logs, s3, sns, sqs
from bootstrap.resources.cloudwatch import Alarm, queue_metric
from bootstrap.resources.event_source_mapping import EventSourceMapping
from bootstrap.resources.lambda_function import Function, environment_variables
from bootstrap.resources.tags import environment_tags
from bootstrap.settings import Settings
from bootstrap.table_definitions import table_definitions
from profiles.names import Names, ResourceNames

from .contract import CONTRACT

NAMES = ResourceNames(
    queue="SensorQueue",
    topic="SensorAlerts",
    function="SensorProcessor",
    role="SensorPipelineLambdaRole",
    policy="SensorPipelineLambdaPolicy",
    bucket="sensor-data",
    workgroup="sensors",
    database="sensor_data",
)
ARCHIVE = "SensorAlertsArchive"
# Lambda imports the handler by this name. FUNCTION_MODULES are the modules of this folder that the function needs.
HANDLER = "process_readings.lambda_handler"
FUNCTION_MODULES = ("contract", "rules", "process_readings")

_DAY_SECONDS = 86_400
_UNREAD_SECONDS = 7 * _DAY_SECONDS


def declare(names: Names, settings: Settings, code: FunctionZip) -> tuple[Resource, ...]:
    """Every resource, with those that others need before them. `code` is the function's zip."""
    bucket_policy = policies.bucket_tls_only(names)
    resources = (
        *_queues(names, settings),
        *_alerts(names, settings),
        s3.Bucket(names.bucket, policies.bucket_arn(names), bucket_policy, environment_tags(names)),
        *_athena(names, settings),
        *_function(names, settings, code),
        *_alarms(names),
    )
    return *resources, _mapping(names, settings, after=tuple(map(id_of, resources)))


def _queues(names: Names, settings: Settings) -> tuple[Resource, ...]:
    tags = environment_tags(names)
    encrypted = {"SqsManagedSseEnabled": "true"}
    dead_letter = sqs.Queue(
        names.dead_letter_queue, {"MessageRetentionPeriod": str(14 * _DAY_SECONDS), **encrypted}, tags
    )
    redrive = {"deadLetterTargetArn": names.dead_letter_queue_arn, "maxReceiveCount": settings.max_receive_count}
    readings = sqs.Queue(
        names.queue,
        {
            "VisibilityTimeout": str(settings.effective_visibility_timeout_seconds),
            "MessageRetentionPeriod": str(4 * _DAY_SECONDS),
            "RedrivePolicy": redrive,
            **encrypted,
        },
        tags,
        after=(id_of(dead_letter),),
    )
    return dead_letter, readings, sqs.RedriveAllowPolicy(names.dead_letter_queue, names.queue, names.queue_arn)


def _alerts(names: Names, settings: Settings) -> tuple[Resource, ...]:
    """The topic with two subscribed queues: the inbox, and the archive with the bare messages of 14 days."""
    topic = sns.Topic(names.topic, names.topic_arn, environment_tags(names))
    inbox = _subscribed(names, names.inbox_queue, days=4, raw=False)
    archive = _subscribed(names, names.prefixed(ARCHIVE), days=14, raw=True)
    email = () if settings.alert_email is None else (_email(names, settings.alert_email),)
    return topic, *inbox, *archive, *email


def _subscribed(names: Names, queue: str, *, days: int, raw: bool) -> tuple[Resource, ...]:
    """A queue to which only the topic may send, and its subscription. `raw`: messages come without SNS's envelope."""
    arn = names.arn("sqs", queue)
    attributes = {
        "MessageRetentionPeriod": str(days * _DAY_SECONDS),
        "SqsManagedSseEnabled": "true",
        "Policy": policies.queue_from_topic(names, arn),
    }
    made = sqs.Queue(queue, attributes, environment_tags(names))
    delivery = {"RawMessageDelivery": str(raw).lower()}
    return made, sns.Subscription(names.topic, names.topic_arn, "sqs", arn, delivery, endpoint_resource=id_of(made))


def _email(names: Names, address: str) -> Resource:
    return sns.Subscription(names.topic, names.topic_arn, "email", address)


def _athena(names: Names, settings: Settings) -> tuple[Resource, ...]:
    """The workgroup, the database and its table."""
    configuration = {
        "ResultConfiguration": {
            "OutputLocation": f"s3://{names.bucket}/{athena.RESULTS_PREFIX}",
            "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
        },
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": True,
        "BytesScannedCutoffPerQuery": settings.bytes_scanned_limit,
    }
    tags = environment_tags(names)
    arn = names.arn("athena", f"workgroup/{names.workgroup}")
    workgroup = athena.WorkGroup(names.workgroup, arn, configuration, tags, (f"{s3.KIND} {names.bucket}",))
    database = athena.Database(names.database, names.arn("glue", f"database/{names.database}"), tags)
    tables = (
        athena.Table(names.database, names.arn("glue", f"table/{names.database}/{one.name}"), one)
        for one in table_definitions(Path(__file__).with_name("sql"), CONTRACT, names)
    )
    return workgroup, database, *tables


def _function(names: Names, settings: Settings, code: FunctionZip) -> tuple[Resource, ...]:
    """The execution role, the log group, and the function. The queue comes first: its visibility timeout counts."""
    tags = environment_tags(names)
    permissions = policies.role_permissions(names, CONTRACT)
    role = iam.Role(names.role, names.role_arn, policies.role_trust(), names.policy, permissions, tags)
    arn = names.arn("logs", f"log-group:{names.log_group}")
    log_group = logs.LogGroup(names.log_group, arn, settings.log_retention_days, tags)
    configuration = {
        "Runtime": "python3.11",
        "Handler": HANDLER,
        "Role": names.role_arn,
        "Timeout": settings.function_timeout_seconds,
        "MemorySize": settings.memory_mb,
        "Environment": {"Variables": environment_variables(names, settings)},
    }
    after = (id_of(role), id_of(log_group), f"{sqs.KIND} {names.queue}")
    function = Function(names.function, names.function_arn, code, configuration, tags, after, id_of(role))
    return role, log_group, function


def _alarms(names: Names) -> tuple[Resource, ...]:
    """A dead letter; an archive that nobody reads."""

    def alarm(name: str, why: str, metric: dict[str, Any]) -> Alarm:
        configuration = {
            "AlarmDescription": why,
            "AlarmActions": [names.topic_arn],
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        }
        arn = names.arn("cloudwatch", f"alarm:{name}")
        return Alarm(name, arn, configuration | metric, environment_tags(names), (f"{sns.KIND} {names.topic}",))

    archive = names.prefixed(ARCHIVE)
    return (
        alarm(
            f"{names.dead_letter_queue}-not-empty",
            f"A {CONTRACT.noun} could not be processed: see `stockpipe dlq`",
            queue_metric(names.dead_letter_queue, "ApproximateNumberOfMessagesVisible", 1),
        ),
        alarm(
            f"{archive}-unread",
            "Nobody has read the archive of alerts for a week; after two weeks SQS deletes its messages",
            queue_metric(archive, "ApproximateAgeOfOldestMessage", _UNREAD_SECONDS),
        ),
    )


def _mapping(names: Names, settings: Settings, after: tuple[str, ...]) -> Resource:
    """The event source mapping. It comes last: from then on readings flow."""
    concurrency = settings.maximum_concurrency
    configuration = {
        "BatchSize": settings.batch_size,
        "MaximumBatchingWindowInSeconds": settings.batch_window_seconds,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {} if concurrency is None else {"MaximumConcurrency": concurrency},
    }
    arn_prefix = names.arn("lambda", "event-source-mapping:")
    tags = environment_tags(names)
    return EventSourceMapping(names.queue, names.queue_arn, names.function, arn_prefix, configuration, tags, after)
