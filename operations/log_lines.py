"""What a line of the function's log says: Lambda's own lines, Powertools' JSON, embedded metrics, and the rest.

https://docs.powertools.aws.dev/lambda/python/latest/core/logger/
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from operations.function_log import LogEvent
from runtime.clock import to_epoch_ms

_LAMBDA = re.compile(
    r"(?P<what>START|END|REPORT|INIT_START|INIT_REPORT)\b(?: RequestId: (?P<id>\S+))?(?P<rest>.*)", re.DOTALL
)
_MEASURE = re.compile(r"(?P<name>[A-Z][A-Za-z ]+): (?P<value>[^\t]+)")
_MEASURES = {"Duration": "duration", "Init Duration": "init", "Max Memory Used": "memory", "Status": "status"}
_UNHANDLED = re.compile(r"\[ERROR\]|Task timed out|Traceback|Runtime\.|\bRuntimeError\b")
_LATEST_MS = 253_402_300_799_999  # the end of the year 9999, in milliseconds since 1970
# Fields that are the same on every line of a function, or shown elsewhere.
_EVERYWHERE = (
    "level",
    "location",
    "message",
    "timestamp",
    "service",
    "cold_start",
    "function_name",
    "function_memory_size",
    "function_arn",
    "function_request_id",
    "xray_trace_id",
)


@dataclass(frozen=True)
class Line:
    """A line, understood. `level` is the logger's (INFO …), or START, END, REPORT, METRIC; `fields` has the rest.

    `at_ms` is when the function wrote it, where the line says so: engines stamp all lines of an invocation at its end.
    """

    at_ms: int
    level: str
    message: str
    request_id: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


def read_line(event: LogEvent) -> Line:
    """Understand one line; what isn't structured is INFO, or ERROR where Lambda writes so."""
    if match := _LAMBDA.match(event.message):
        return _of_lambda(event, match)
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


def _of_lambda(event: LogEvent, match: re.Match[str]) -> Line:
    measures = {
        short: found["value"].strip()
        for found in _MEASURE.finditer(match["rest"])
        if (short := _MEASURES.get(found["name"]))
    }
    return Line(event.at_ms, match["what"].removeprefix("INIT_"), "", match["id"] or "", measures)


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
    low, high = min(value), max(value)
    plain = [int(each) if float(each).is_integer() else each for each in (low, high)]
    return plain[0] if low == high else f"{plain[0]}…{plain[1]}"


def _written_ms(text: Any, otherwise: int) -> int:
    """Powertools' `2026-01-05 14:30:00,250+0000`."""
    try:
        return to_epoch_ms(datetime.strptime(str(text), "%Y-%m-%d %H:%M:%S,%f%z"))
    except ValueError:
        return otherwise


def _object(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
