"""What the log of the pipeline's functions says: its lines, understood; invocations; and failed deliveries.

A line is Lambda's own, Powertools' JSON, embedded metrics, or something else. Emulators ignore filter patterns, so
lines are filtered again after they are read. Reading log events costs nothing on AWS.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
https://docs.powertools.aws.dev/lambda/python/latest/core/logger/
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import heapq
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from operations import declared
from profiles.environment import Environment
from runtime.clock import to_epoch_ms
from runtime.contract import Contract
from runtime.log_events import log_events

# On AWS a line may come seconds after one that was written later.
_LATE_MS = 30_000
_INVOCATION_PAGES = 5
_DELIVERY_PAGES = 50

# https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html describes the fields of a REPORT line.
_LAMBDA = re.compile(
    r"(?P<what>START|END|REPORT|INIT_START|INIT_REPORT)\b(?: RequestId: (?P<id>\S+))?(?P<rest>.*)", re.DOTALL
)
_MEASURE = re.compile(r"(?P<name>[A-Z][A-Za-z ]+): (?P<value>[^\t]+)")
_MEASURES = {"Duration": "duration", "Init Duration": "init", "Max Memory Used": "memory", "Status": "status"}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]+)?) ms")
_UNHANDLED = re.compile(r"\[ERROR\]|Task timed out|Traceback|Runtime\.|\bRuntimeError\b")
_LATEST_MS = 253_402_300_799_999  # the end of the year 9999, in milliseconds since 1970
# Fields that are the same on every line of a function, or shown elsewhere.
_EVERYWHERE = {
    *("level", "location", "message", "timestamp", "service", "cold_start", "xray_trace_id"),
    *("function_name", "function_memory_size", "function_arn", "function_request_id"),
}
# One quoted term is what AWS and all engines understand alike; ministack takes `?a ?b` (a or b) for a and b.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
_QUOTABLE = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line as the function or Lambda wrote it. `at_ms`: milliseconds since 1970."""

    at_ms: int
    stream: str
    message: str


@dataclass(frozen=True)
class Line:
    """A line, understood. `level` is the logger's (INFO …), or START, END, REPORT, METRIC; `fields` has the rest.

    `at_ms` is when the function wrote it, if the line says so: emulators stamp all lines of an invocation at its end.
    """

    at_ms: int
    level: str
    message: str
    request_id: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def invocation(self) -> "Invocation | None":
        """The invocation that a REPORT is about."""
        duration = _DURATION.fullmatch(str(self.fields.get("duration", ""))) if self.level == "REPORT" else None
        if not duration:
            return None
        failed = self.fields.get("status") in ("error", "timeout")
        return Invocation(self.request_id, self.at_ms, float(duration[1]), failed, cold="init" in self.fields)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation of the function. `at_ms`: when it ended, milliseconds since 1970."""

    request_id: str
    at_ms: int
    duration_ms: float
    failed: bool
    cold: bool


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A delivery of a message that failed.

    `rejected`: the message is not a valid record; otherwise AWS didn't let it be stored or alerted.
    """

    at_ms: int
    request_id: str
    message_id: str
    record_id: str
    reason: str
    rejected: bool


def read_log(
    environment: Environment,
    *,
    since_ms: int,
    until_ms: int | None = None,
    pattern: str | None = None,
    pages: int | None = None,
    log_group: str | None = None,
) -> Iterator[LogEvent]:
    """The lines of a period, oldest first: those of one log group, or of all declared ones. `pages` limits each group.

    Raises botocore's ResourceNotFoundException where there is no log group.
    """
    groups = [log_group] if log_group else [one.name for one in declared.resources(environment, "log group")]
    asked: dict[str, Any] = {"startTime": max(0, since_ms)}
    if until_ms is not None:
        asked["endTime"] = until_ms
    if pattern is not None:
        asked["filterPattern"] = pattern

    def read(group: str) -> Iterator[LogEvent]:
        answers = environment.aws.logs.get_paginator("filter_log_events").paginate(logGroupName=group, **asked)
        for answer in islice(answers, pages):
            for event in answer.get("events", []):
                yield LogEvent(event["timestamp"], event.get("logStreamName", ""), event["message"].rstrip("\r\n"))

    return heapq.merge(*map(read, groups), key=lambda event: event.at_ms)


def read_invocations(environment: Environment, *, since_ms: int, pages: int = _INVOCATION_PAGES) -> list[Invocation]:
    """The invocations of the function that stores records, ended since then, at most `pages` pages of log events.

    The log has an invocation seconds after it ended, on every engine; the metrics have it after a minute or more, and
    only on AWS. Raises botocore's ResourceNotFoundException where there is no log group.
    """
    log_group = environment.names.log_group
    events = read_log(environment, since_ms=since_ms, pattern='"REPORT RequestId"', pages=pages, log_group=log_group)
    return [found for event in events if (found := read_line(event).invocation)]


def failures_of(
    environment: Environment,
    *,
    message_id: str | None,
    record_id: str | None,
    since_ms: int,
    until_ms: int | None = None,
) -> list[FailedDelivery]:
    """The failed deliveries of a message, oldest first; none where there is no log group."""
    known_by = message_id or record_id
    if not known_by or not _QUOTABLE.fullmatch(known_by):
        return []
    events = read_log(environment, since_ms=since_ms, until_ms=until_ms, pattern=f'"{known_by}"', pages=_DELIVERY_PAGES)
    try:
        failures = [one for event in events if (one := _failure(environment.contract, read_line(event)))]
    except environment.aws.logs.exceptions.ResourceNotFoundException:
        return []
    its_own = (one for one in failures if known_by in (one.message_id, one.record_id))
    return sorted(its_own, key=lambda one: one.at_ms)


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


def read_line(event: LogEvent) -> Line:
    """Understand one line; what isn't structured is INFO, or ERROR where Lambda writes so."""
    if match := _LAMBDA.match(event.message):
        measures = {
            short: found["value"].strip()
            for found in _MEASURE.finditer(match["rest"])
            if (short := _MEASURES.get(found["name"]))
        }
        return Line(event.at_ms, match["what"].removeprefix("INIT_"), "", match["id"] or "", measures)
    document = _object(event.message)
    if "_aws" in document:
        try:
            return _metrics(event, document)
        except (KeyError, TypeError, ValueError, AttributeError):  # it only looks like embedded metrics
            return Line(event.at_ms, "INFO", event.message)
    if "level" in document and "message" in document:
        return Line(
            at_ms=_written_ms(document.get("timestamp"), event.at_ms),
            level=str(document["level"]),
            message=str(document["message"]),
            request_id=str(document.get("function_request_id", "")),
            fields={name: value for name, value in document.items() if name not in _EVERYWHERE},
        )
    return Line(event.at_ms, "ERROR" if _UNHANDLED.search(event.message) else "INFO", event.message)


def _failure(contract: Contract[Any], line: Line) -> FailedDelivery | None:
    """A rejected message's id is read from its body, if that is whole and has one."""
    names = log_events(contract)
    if line.message not in (names.rejected, names.failed):
        return None
    return FailedDelivery(
        at_ms=line.at_ms,
        request_id=line.request_id,
        message_id=str(line.fields.get("message_id") or ""),
        record_id=str(
            line.fields.get(contract.record.ID) or contract.told_id(str(line.fields.get("body") or "")) or ""
        ),
        reason=str(line.fields.get("reason", "")),
        rejected=line.message == names.rejected,
    )


def _metrics(event: LogEvent, document: Mapping[str, Any]) -> Line:
    """Only what isn't zero; several values as their range."""
    names = [
        metric["Name"] for directive in document["_aws"].get("CloudWatchMetrics", []) for metric in directive["Metrics"]
    ]
    values = {name: document.get(name) for name in names}
    shown = {name: _range(value) for name, value in values.items() if value not in (0, [0], [0.0], [], None)}
    at_ms = int(document["_aws"].get("Timestamp", event.at_ms))
    return Line(at_ms if 0 <= at_ms <= _LATEST_MS else event.at_ms, "METRIC", "", fields=shown)


def _range(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    low, high = (int(each) if float(each).is_integer() else each for each in (min(value), max(value)))
    return low if low == high else f"{low}…{high}"


def _written_ms(text: Any, otherwise: int) -> int:
    """Powertools' `2026-01-05 14:30:00,250+0000`."""
    try:
        return to_epoch_ms(datetime.strptime(str(text), "%Y-%m-%d %H:%M:%S,%f%z"))
    except ValueError:
        return otherwise


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
