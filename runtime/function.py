"""A pipeline's Lambda function, wired together.

Everything costly happens once, at import, in Lambda's init phase: reading the environment (a missing variable is an
init error that names it), making the clients and the thread pool. botocore takes the region, the credentials and, on
an emulator, `AWS_ENDPOINT_URL` from the environment that Lambda gives the function.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from runtime.alerts import Alerter, Rule
from runtime.batch import BatchResult, Processor
from runtime.bucket import Bucket
from runtime.clock import Clock
from runtime.contract import Contract, R
from runtime.deadline import Deadline
from runtime.log_events import BATCH_PROCESSED, log_events, metric_names
from runtime.settings import FunctionEnvironment, S
from runtime.storage import Store

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

NAMESPACE = "Stockpipe"
_WORKERS = 16
_CONNECT_SECONDS = 2.0
# One attempt: `Bucket` repeats requests itself, and a publish isn't repeated. Short timeouts: a call that hangs must
# fail its own records, not time the whole batch out. Path-style addressing works at every endpoint, `bucket.localhost`
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

_making_a_client = threading.Lock()  # boto3's default session isn't thread-safe

Handler = Callable[[dict[str, Any], Any], dict[str, list[dict[str, str]]]]


def make_handler(contract: Contract[R], rules: tuple[Rule[R, S], ...], settings: type[S]) -> Handler:
    """The function's handler: it processes one SQS batch per invocation and answers with a partial batch response."""
    clock = Clock()
    environment = FunctionEnvironment.read(os.environ, settings)
    service = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", contract.noun)
    logger = Logger(service=service)
    metrics = Metrics(namespace=NAMESPACE, service=service)
    bucket = Bucket(boto3.client("s3", config=_CLIENT_CONFIG), environment.bucket)
    processor = Processor(
        contract,
        rules=rules,
        settings=environment.settings,
        alerter=Alerter(contract, environment.settings, bucket, _sns, clock, topic_arn=environment.topic_arn),
        store=Store(contract, bucket, clock, environment.settings.object_layout),
        pool=ThreadPoolExecutor(_WORKERS, thread_name_prefix="aws"),
    )

    @logger.inject_lambda_context
    @metrics.log_metrics
    def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
        deadline = Deadline(clock, context.get_remaining_time_in_millis())
        result = processor.process(event, request_id=context.aws_request_id, deadline=deadline)
        _log(logger, contract, result, len(event["Records"]))
        _measure(metrics, contract, result)
        return result.response()

    handler: Handler = lambda_handler
    return handler


def _sns(seconds: float) -> "SNSClient":
    """A client with a single attempt of at most `seconds`, plus a quarter of that to connect."""
    timeouts = Config(connect_timeout=min(_CONNECT_SECONDS, seconds / 4), read_timeout=seconds)
    with _making_a_client:
        return boto3.client("sns", config=_CLIENT_CONFIG.merge(timeouts))


def _log(logger: Logger, contract: Contract[R], result: BatchResult, messages: int) -> None:
    """One line per failure and one per invocation. Log volume costs money: a stored record has no line of its own."""
    events = log_events(contract)
    for failure in result.failures:
        if failure.rejected:
            logger.error(events.rejected, reason=failure.reason, message_id=failure.message_id, body=failure.body)
        else:
            told: dict[str, Any] = {contract.record.ID: failure.record_id}
            logger.warning(events.failed, reason=failure.reason, message_id=failure.message_id, **told)
    logger.info(
        BATCH_PROCESSED,
        messages=messages,
        stored=result.stored,
        duplicates=result.duplicates,
        failed=len(result.failures),
        alerts_published=result.alerts_published,
        alerts_suppressed=result.alerts_suppressed,
        latency_ms_max=max(result.latencies_ms, default=None),
    )


def _measure(metrics: Metrics, contract: Contract[R], result: BatchResult) -> None:
    names = metric_names(contract)
    counts = {
        names.stored: result.stored,
        names.rejected: sum(failure.rejected for failure in result.failures),
        names.duplicate: result.duplicates,
        names.alerts_published: result.alerts_published,
        names.alerts_suppressed: result.alerts_suppressed,
    }
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    for latency_ms in sample(result.latencies_ms):
        metrics.add_metric(name=names.latency, unit=MetricUnit.Milliseconds, value=latency_ms)


def sample(values: Sequence[int]) -> list[int]:
    """At most 99 of the values, evenly spread over their order, smallest and largest included: percentiles survive."""
    ordered = sorted(values)
    if len(ordered) <= _MOST_VALUES:
        return ordered
    step = (len(ordered) - 1) / (_MOST_VALUES - 1)
    return [ordered[round(index * step)] for index in range(_MOST_VALUES)]
