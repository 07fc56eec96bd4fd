"""StockProcessor: the Lambda function, wired together.

Everything costly happens once, at import, in Lambda's init phase: reading the environment (a missing variable is an
init error that names it), making the clients and the thread pool. botocore takes the region, the credentials and, on
an emulator, `AWS_ENDPOINT_URL` from the environment that Lambda gives the function.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from pipeline.alerts import Alerter
from pipeline.bucket import Bucket
from pipeline.clock import Clock
from pipeline.deadline import Deadline
from pipeline.environment import Environment
from pipeline.processor import BatchResult, Processor
from pipeline.storage import Store

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

NAMESPACE = "Stockpipe"
_SERVICE = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "StockProcessor")
_WORKERS = 16
_CONNECT_SECONDS = 2.0
# One attempt: `Bucket` repeats requests itself, and a publish isn't repeated. Short timeouts: a call that hangs must
# fail its own ticks, not time the whole batch out. Path-style addressing works at every endpoint, `bucket.localhost`
# doesn't resolve everywhere.
_CLIENT_CONFIG = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=4,
    retries={"total_max_attempts": 1},
    max_pool_connections=_WORKERS,
    s3={"addressing_style": "path"},
)
# Powertools writes a metric out early when it has this many values; one line per invocation is enough and costs less.
_MOST_VALUES = 99

logger = Logger(service=_SERVICE)
metrics = Metrics(namespace=NAMESPACE, service=_SERVICE)


_clock = Clock()
_making_a_client = threading.Lock()  # boto3's default session isn't thread-safe


def _sns(seconds: float) -> "SNSClient":
    """A client with a single attempt of at most `seconds`, plus a quarter of that to connect."""
    timeouts = Config(connect_timeout=min(_CONNECT_SECONDS, seconds / 4), read_timeout=seconds)
    with _making_a_client:
        return boto3.client("sns", config=_CLIENT_CONFIG.merge(timeouts))


def _build() -> Processor:
    environment = Environment.read(os.environ)
    bucket = Bucket(boto3.client("s3", config=_CLIENT_CONFIG), environment.bucket)
    alerter = Alerter(
        bucket,
        _sns,
        _clock,
        topic_arn=environment.topic_arn,
        threshold=environment.alert_threshold,
        cooldown_seconds=environment.alert_cooldown_seconds,
    )
    return Processor(
        alerter,
        Store(bucket, _clock, environment.object_layout),
        ThreadPoolExecutor(_WORKERS, thread_name_prefix="aws"),
        threshold=environment.alert_threshold,
        cooldown_seconds=environment.alert_cooldown_seconds,
    )


_processor = _build()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    """Process one SQS batch; the answer names the messages that SQS must deliver again (partial batch response)."""
    deadline = Deadline(_clock, context.get_remaining_time_in_millis())
    result = _processor.process(event, request_id=context.aws_request_id, deadline=deadline)
    _log(result, len(event["Records"]))
    _measure(result)
    return result.response()


def _log(result: BatchResult, messages: int) -> None:
    """One line per failure and one per invocation. Log volume costs money: a stored tick has no line of its own."""
    for failure in result.failures:
        if failure.rejected:
            logger.error("tick rejected", reason=failure.reason, message_id=failure.message_id, body=failure.body)
        else:
            logger.warning("tick failed", reason=failure.reason, message_id=failure.message_id, tick_id=failure.tick_id)
    logger.info(
        "batch processed",
        messages=messages,
        stored=result.stored,
        duplicates=result.duplicates,
        failed=len(result.failures),
        alerts_published=result.alerts_published,
        alerts_suppressed=result.alerts_suppressed,
        latency_ms_max=max(result.latencies_ms, default=None),
    )


def _measure(result: BatchResult) -> None:
    counts = {
        "TicksStored": result.stored,
        "TicksRejected": sum(failure.rejected for failure in result.failures),
        "TicksDuplicate": result.duplicates,
        "AlertsPublished": result.alerts_published,
        "AlertsSuppressed": result.alerts_suppressed,
    }
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    for latency_ms in sample(result.latencies_ms):
        metrics.add_metric(name="LatencyMs", unit=MetricUnit.Milliseconds, value=latency_ms)


def sample(values: Sequence[int]) -> list[int]:
    """At most 99 of the values, evenly spread over their order, smallest and largest included: percentiles survive."""
    ordered = sorted(values)
    if len(ordered) <= _MOST_VALUES:
        return ordered
    step = (len(ordered) - 1) / (_MOST_VALUES - 1)
    return [ordered[round(index * step)] for index in range(_MOST_VALUES)]
