"""Which resources the pipeline has, by AWS's names, in the order in which a tick meets them."""

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
    queue="StockQueue",
    topic="StockAlerts",
    function="StockProcessor",
    role="StockPipelineLambdaRole",
    policy="StockPipelineLambdaPolicy",
    bucket="stock-data",
    workgroup="stock",
    database="stock_data",
)
# Lambda imports the handler by this name. FUNCTION_MODULES are the modules of this folder that the function needs.
HANDLER = "process_stock.lambda_handler"
FUNCTION_MODULES = ("contract", "rules", "process_stock")

DAY_SECONDS = 86_400
# At the default settings a tick is tried five times, a minute apart: older than that, and ticks aren't keeping up.
OLDEST_MESSAGE_SECONDS = 300


def declare(names: Names, settings: Settings, code: FunctionZip) -> tuple[Resource, ...]:
    """Every resource, with those that others need before them. `code` is the function's zip."""
    resources = (
        *_queues(names, settings),
        *_alerts(names, settings),
        s3.Bucket(names.bucket, policies.bucket_arn(names), policies.bucket_tls_only(names), environment_tags(names)),
        *_athena(names, settings),
        *_function(names, settings, code),
    )
    everything = tuple(id_of(resource) for resource in resources)
    return *resources, *_alarms(names), _mapping(names, settings, after=everything)


def _queues(names: Names, settings: Settings) -> tuple[Resource, ...]:
    """A message's age counts from when it was first sent, also in the dead-letter queue: so that one keeps longest."""
    tags = environment_tags(names)
    dead_letter = sqs.Queue(
        names.dead_letter_queue,
        {"MessageRetentionPeriod": str(14 * DAY_SECONDS), "SqsManagedSseEnabled": "true"},
        tags,
    )
    ticks = sqs.Queue(
        names.queue,
        {
            "VisibilityTimeout": str(settings.effective_visibility_timeout_seconds),
            "MessageRetentionPeriod": str(4 * DAY_SECONDS),
            "SqsManagedSseEnabled": "true",
            "RedrivePolicy": {
                "deadLetterTargetArn": names.dead_letter_queue_arn,
                "maxReceiveCount": settings.max_receive_count,
            },
        },
        tags,
        after=(id_of(dead_letter),),
    )
    inbox = sqs.Queue(
        names.inbox_queue,
        {
            "MessageRetentionPeriod": str(4 * DAY_SECONDS),
            "SqsManagedSseEnabled": "true",
            "Policy": policies.queue_from_topic(names, names.inbox_queue_arn),
        },
        tags,
    )
    return dead_letter, ticks, sqs.RedriveAllowPolicy(names.dead_letter_queue, names.queue, names.queue_arn), inbox


def _alerts(names: Names, settings: Settings) -> tuple[Resource, ...]:
    """The topic, the inbox's subscription, and an email subscription if an address is given.

    The message stays in its SNS envelope (RawMessageDelivery false), so that the Subject can be seen in the inbox. An
    email subscription that isn't declared any more is left alone: a person confirmed it, and only they can again.
    """
    topic = sns.Topic(names.topic, names.topic_arn, environment_tags(names))
    inbox = sns.Subscription(
        names.topic,
        names.topic_arn,
        "sqs",
        names.inbox_queue_arn,
        {"RawMessageDelivery": "false"},
        endpoint_resource=f"{sqs.KIND} {names.inbox_queue}",
    )
    if settings.alert_email is None:
        return topic, inbox
    return topic, inbox, sns.Subscription(names.topic, names.topic_arn, "email", settings.alert_email)


def _athena(names: Names, settings: Settings) -> tuple[Resource, ...]:
    """The workgroup, the database and its tables.

    The workgroup needs the bucket, and so is gone before it: no query writes results while the bucket is emptied.
    """
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
    """The execution role, the log group, made before the function so that it has a retention, and the function.

    Lambda refuses a function timeout above the queue's visibility timeout: so the queue is changed first.
    """
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
    """A dead letter; ticks that wait too long; the function failing."""

    def alarm(name: str, why: str, configuration: dict[str, Any]) -> Alarm:
        common = {
            "AlarmDescription": why,
            "AlarmActions": [names.topic_arn],
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            # No data means nothing happened: SQS stops reporting queues that aren't used.
            "TreatMissingData": "notBreaching",
        }
        arn = names.arn("cloudwatch", f"alarm:{name}")
        return Alarm(name, arn, common | configuration, environment_tags(names), (f"{sns.KIND} {names.topic}",))

    return (
        alarm(
            f"{names.dead_letter_queue}-not-empty",
            "A tick could not be processed: see `stockpipe dlq`",
            queue_metric(names.dead_letter_queue, "ApproximateNumberOfMessagesVisible", 1),
        ),
        alarm(
            f"{names.queue}-oldest-message",
            "Ticks wait too long: the function is failing, throttled, or too slow",
            queue_metric(names.queue, "ApproximateAgeOfOldestMessage", OLDEST_MESSAGE_SECONDS),
        ),
        alarm(
            f"{names.function}-errors",
            "The function failed as a whole: see `stockpipe logs`",
            {
                "Namespace": "AWS/Lambda",
                "MetricName": "Errors",
                "Dimensions": [{"Name": "FunctionName", "Value": names.function}],
                "Statistic": "Sum",
                "Threshold": 1.0,
            },
        ),
    )


def _mapping(names: Names, settings: Settings, after: tuple[str, ...]) -> Resource:
    """The event source mapping. It comes last: from then on ticks flow, and everything they touch must be there."""
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
