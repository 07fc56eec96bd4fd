"""Which resources the pipeline has, by AWS's names, in the order in which a reading meets them.

Besides what every pipeline has, this one keeps all alerts: the queue `SensorAlertsArchive` is subscribed to the topic.
"""

from pathlib import Path

from bootstrap.function_zip import FunctionZip
from bootstrap.resource import Resource
from bootstrap.resources.athena import Database, Table, WorkGroup
from bootstrap.resources.cloudwatch import Alarm, Condition
from bootstrap.resources.event_source_mapping import EventSourceMapping
from bootstrap.resources.iam import Role
from bootstrap.resources.lambda_function import Function
from bootstrap.resources.logs import LogGroup
from bootstrap.resources.s3 import Bucket
from bootstrap.resources.sns import Subscription, Topic
from bootstrap.resources.sqs import Queue, RedriveAllowPolicy
from bootstrap.settings import Settings
from bootstrap.table_definitions import table_definitions
from profiles.names import Names, ResourceNames
from runtime.contract import ALERTS_PREFIX
from runtime.settings import FunctionEnvironment

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
# Lambda imports the handler by this name. FUNCTION_MODULES are the modules of this folder that functions need.
HANDLER = "process_readings.lambda_handler"
FUNCTION_MODULES = ("contract", "rules", "process_readings")

_WEEK_SECONDS = 7 * 86_400


def declare(names: Names, settings: Settings, code: FunctionZip) -> tuple[Resource, ...]:
    """Every resource. `code` is the zip of the function modules."""
    dead_letters = Queue(names, names.dead_letter_queue, keep_days=14)
    records = Queue(
        names,
        names.queue,
        visibility_seconds=settings.effective_visibility_timeout_seconds,
        dead_letters=dead_letters,
        max_receive_count=settings.max_receive_count,
    )
    alerts = Topic(names, names.topic)
    inbox = Queue(names, names.inbox_queue, receives_from=alerts)
    archive = Queue(names, names.prefixed(ARCHIVE), keep_days=14, receives_from=alerts)
    bucket = Bucket(names, names.bucket)
    log_group = LogGroup(names, names.log_group, settings.log_retention_days)
    role = Role(
        names,
        names.role,
        names.policy,
        allows=(
            records.consuming("ReadQueue"),
            bucket.writing("StoreRecords", CONTRACT.prefix),
            bucket.claiming("ClaimAlerts", ALERTS_PREFIX),
            alerts.publishing("PublishAlerts"),
            log_group.writing("WriteLogs"),
        ),
    )
    function = Function(
        names,
        names.function,
        code,
        HANDLER,
        role,
        log_group,
        settings.function_timeout_seconds,
        settings.memory_mb,
        FunctionEnvironment(bucket.name, alerts.arn, settings.function).written(),
    )
    mapping = EventSourceMapping(
        records, function, settings.batch_size, settings.batch_window_seconds, settings.maximum_concurrency
    )
    database = Database(names, names.database)
    tables = table_definitions(Path(__file__).with_name("sql"), CONTRACT, names)
    email = (Subscription(alerts, settings.alert_email),) if settings.alert_email else ()
    oldest = ("AWS/SQS", "ApproximateAgeOfOldestMessage", ("QueueName", archive.name), "Maximum", _WEEK_SECONDS)
    return (
        records,
        dead_letters,
        RedriveAllowPolicy(dead_letters, (records,)),
        alerts,
        inbox,
        Subscription(alerts, inbox),
        archive,
        Subscription(alerts, archive, raw=True),
        *email,
        bucket,
        WorkGroup(names, names.workgroup, bucket, settings.bytes_scanned_limit),
        database,
        *(Table(database, table) for table in tables),
        role,
        log_group,
        function,
        Alarm(dead_letters.not_empty(), f"A {CONTRACT.noun} could not be processed: see `stockpipe dlq`", alerts),
        Alarm(Condition(archive, "unread", *oldest), "Nobody has read the archive of alerts for a week", alerts),
        mapping,
    )
