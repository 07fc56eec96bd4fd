"""The function's log in CloudWatch Logs, read on any endpoint.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from profiles.environment import Environment

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilterLogEventsRequestPaginateTypeDef

# On AWS a line may come seconds after one that was written later.
_LATE_MS = 30_000


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line as the function or Lambda wrote it. `at_ms`: milliseconds since 1970."""

    at_ms: int
    stream: str
    message: str


def read_log(
    environment: Environment,
    *,
    since_ms: int,
    until_ms: int | None = None,
    pattern: str | None = None,
    pages: int | None = None,
) -> Iterator[LogEvent]:
    """The lines of a time, oldest first, in at most `pages` pages.

    `pattern` saves AWS sending what isn't wanted; emulators ignore it, so whoever wants certain lines only has to look
    again. Raises botocore's ResourceNotFoundException where there is no log group.
    """
    asked: FilterLogEventsRequestPaginateTypeDef = {
        "logGroupName": environment.names.log_group,
        "startTime": max(0, since_ms),
    }
    if until_ms is not None:
        asked["endTime"] = until_ms
    if pattern is not None:
        asked["filterPattern"] = pattern
    answers = environment.aws.logs.get_paginator("filter_log_events").paginate(**asked)
    for answer in islice(answers, pages):
        for event in answer.get("events", []):
            yield LogEvent(event["timestamp"], event.get("logStreamName", ""), event["message"].rstrip("\r\n"))


class Tail:
    """Reads what is new since it last looked, late lines included, each line once."""

    def __init__(self, environment: Environment, since_ms: int) -> None:
        self._environment = environment
        self._start_ms = self._newest_ms = since_ms
        self._seen: set[tuple[LogEvent, int]] = set()

    def read(self) -> list[LogEvent]:
        """The new lines, oldest first."""
        # Engines number events in ways of their own or not at all, so a line is known by what it says. The same line
        # twice in a millisecond is told apart by counting.
        count: Counter[LogEvent] = Counter()
        present: set[tuple[LogEvent, int]] = set()
        new = []
        for event in read_log(self._environment, since_ms=self._start_ms):
            count[event] += 1
            known_as = (event, count[event])
            present.add(known_as)
            if known_as not in self._seen:
                new.append(event)
        self._newest_ms = max([self._newest_ms, *(event.at_ms for event in new)])
        self._start_ms = max(self._start_ms, self._newest_ms - _LATE_MS)
        self._seen = {known for known in present if known[0].at_ms >= self._start_ms}
        return sorted(new, key=lambda event: event.at_ms)
