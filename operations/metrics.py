"""What CloudWatch knows: invocations, out of the function's log, and the age of the oldest message, out of metrics.

The log has an invocation seconds after it ended, on every engine; the metrics have it after a minute or more, and only
on AWS. Reading log events costs nothing on AWS, a metric costs $0.01 per 1,000.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from operations.function_log import read_log
from profiles.environment import Environment

# https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html describes the fields of a REPORT line.
_REPORT = re.compile(
    r"REPORT RequestId: (?P<request_id>\S+)\s+Duration: (?P<duration>[0-9]+(?:\.[0-9]+)?) ms(?P<rest>.*)", re.DOTALL
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


def read_invocations(environment: Environment, *, since_ms: int, pages: int = _MOST_PAGES) -> list[Invocation]:
    """The invocations that ended since then, at most `pages` pages of log events.

    Raises botocore's ResourceNotFoundException where there is no log group.
    """
    events = read_log(environment, since_ms=since_ms, pattern='"REPORT RequestId"', pages=pages)
    invocations = (_read(event.message, event.at_ms) for event in events)
    return [invocation for invocation in invocations if invocation]


def oldest_message_seconds(environment: Environment, now: datetime) -> float | None:
    """Age of the oldest message in the queue; None where the endpoint has no such metric (the emulators).

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    answer = environment.aws.cloudwatch.get_metric_data(
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
                        "Dimensions": [{"Name": "QueueName", "Value": environment.names.queue}],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
        ],
    )
    values = answer["MetricDataResults"][0]["Values"] if answer["MetricDataResults"] else []
    return float(values[0]) if values else None


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
