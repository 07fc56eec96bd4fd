"""What CloudWatch knows: invocations, out of the function's log, and the age of the oldest message, out of metrics.

The log has an invocation seconds after it ended, on every engine; the metrics have it after a minute or more, and only
on AWS. Reading log events costs nothing on AWS, a metric costs $0.01 per 1,000.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from profiles.names import Names
from profiles.session import Aws

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

# https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html describes the fields of a REPORT line.
_REPORT = re.compile(
    r"REPORT RequestId: (?P<request_id>\S+)\s+Duration: (?P<duration>[\d.]+) ms(?P<rest>.*)", re.DOTALL
)
_FAILED = re.compile(r"Status: (error|timeout)")
_COLD = "Init Duration:"
_MOST_PAGES = 5


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation of the function. `at_ms`: when it ended, milliseconds since 1970."""

    request_id: str
    at_ms: int
    duration_ms: float
    failed: bool
    cold: bool


def read_invocations(aws: Aws, names: Names, *, since_ms: int, pages: int = _MOST_PAGES) -> list[Invocation]:
    """The invocations that ended since then, at most `pages` pages of log events.

    Raises botocore's ResourceNotFoundException where there is no log group.
    """
    invocations = (_read(event["message"], event["timestamp"]) for event in _events(aws, names, since_ms, pages))
    return [invocation for invocation in invocations if invocation]


def oldest_message_seconds(aws: Aws, names: Names, now: datetime) -> float | None:
    """Age of the oldest tick in the queue; None where the endpoint has no such metric (the emulators).

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    answer = aws.cloudwatch.get_metric_data(
        StartTime=now - timedelta(minutes=5),
        EndTime=now,
        ScanBy="TimestampDescending",
        MetricDataQueries=[
            {
                "Id": "age",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SQS",
                        "MetricName": "ApproximateAgeOfOldestMessage",
                        "Dimensions": [{"Name": "QueueName", "Value": names.queue}],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
        ],
    )
    values = answer["MetricDataResults"][0]["Values"] if answer["MetricDataResults"] else []
    return float(values[0]) if values else None


def _events(aws: Aws, names: Names, since_ms: int, pages: int) -> "Iterator[FilteredLogEventTypeDef]":
    # The pattern saves AWS sending what isn't wanted; engines that ignore it send all, so `_read` looks again.
    paginator = aws.logs.get_paginator("filter_log_events")
    answers = paginator.paginate(
        logGroupName=names.log_group, startTime=max(0, since_ms), filterPattern='"REPORT RequestId"'
    )
    for _, answer in zip(range(pages), answers, strict=False):
        yield from answer.get("events", [])


def _read(line: str, at_ms: int) -> Invocation | None:
    match = _REPORT.match(line)
    if not match:
        return None
    return Invocation(
        request_id=match["request_id"],
        at_ms=at_ms,
        duration_ms=float(match["duration"]),
        failed=bool(_FAILED.search(match["rest"])),
        cold=_COLD in match["rest"],
    )
