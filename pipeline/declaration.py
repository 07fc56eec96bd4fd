"""Which resources the pipeline has, by AWS's names, in the order in which a tick meets them."""

from pathlib import Path

from bootstrap.function_zip import FunctionZip
from bootstrap.resource import Resource
from bootstrap.resources.athena import Database, Table, WorkGroup
from bootstrap.resources.cloudwatch import Alarm
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
    queue="StockQueue",
    topic="StockAlerts",
    function="StockProcessor",
    role="StockPipelineLambdaRole",
    policy="StockPipelineLambdaPolicy",
    bucket="stock-data",
    workgroup="stock",
    database="stock_data",
)
# The modules of this folder that functions need. One with a `lambda_handler` can be a function's handler.
FUNCTION_MODULES = ("contract", "rules", "process_stock")


def declare(names: Names, settings: Settings, code: FunctionZip) -> tuple[Resource, ...]:
    """Every resource. `code` is the zip of the function modules."""
    dead_letters = Queue(names, names.dead_letter_queue, keep_days=14)
    ticks = Queue(
        names,
        names.queue,
        visibility_seconds=settings.effective_visibility_timeout_seconds,
        dead_letters=dead_letters,
        max_receive_count=settings.max_receive_count,
    )
    alerts = Topic(names, names.topic)
    inbox = Queue(names, names.inbox_queue, receives_from=alerts)
    subscribers = (inbox, settings.alert_email) if settings.alert_email else (inbox,)
    bucket = Bucket(names, names.bucket)
    log_group = LogGroup(names, names.log_group, settings.log_retention_days)
    role = Role(
        names,
        names.role,
        names.policy,
        allows=(
            ticks.consuming("ReadTicks"),
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
        "process_stock.lambda_handler",
        role,
        log_group,
        settings.function_timeout_seconds,
        settings.memory_mb,
        FunctionEnvironment(bucket.name, alerts.arn, settings.function).written(),
    )
    mapping = EventSourceMapping(
        ticks, function, settings.batch_size, settings.batch_window_seconds, settings.maximum_concurrency
    )
    database = Database(names, names.database)
    tables = table_definitions(Path(__file__).with_name("sql"), CONTRACT, names)
    return (
        ticks,
        dead_letters,
        RedriveAllowPolicy(dead_letters, (ticks,)),
        alerts,
        inbox,
        *(Subscription(alerts, subscriber) for subscriber in subscribers),
        bucket,
        WorkGroup(names, names.workgroup, bucket, settings.bytes_scanned_limit),
        database,
        *(Table(database, table) for table in tables),
        role,
        log_group,
        function,
        Alarm(dead_letters.not_empty(), "A tick could not be processed: see `stockpipe dlq`", alerts),
        Alarm(ticks.falling_behind(), "Ticks wait too long: the function is failing, throttled, or too slow", alerts),
        Alarm(function.failing(), "The function failed as a whole: see `stockpipe logs`", alerts),
        mapping,
    )
