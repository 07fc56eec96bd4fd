"""What the function's log says about messages that it left to SQS: one line for each failed delivery."""

import json
import re
from dataclasses import dataclass

from operations.function_log import read_log
from operations.log_lines import Line, read_line
from profiles.environment import Environment

# One quoted term is what AWS and all engines understand alike; ministack takes `?a ?b` (a or b) for a and b.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
_QUOTABLE = re.compile(r"[\w-]+")
_MOST_PAGES = 50
_REJECTED, _FAILED = "tick rejected", "tick failed"  # what pipeline/process_stock.py logs


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed delivery. `rejected`: the message is no tick; otherwise AWS didn't let it be stored or alerted."""

    at_ms: int
    request_id: str
    message_id: str
    tick_id: str
    reason: str
    rejected: bool


def failures_of(
    environment: Environment, *, message_id: str | None, tick_id: str | None, since_ms: int, until_ms: int | None = None
) -> list[Failure]:
    """The failed deliveries of a message, oldest first; none where there is no log group."""
    known_by = message_id or tick_id
    if not known_by or not _QUOTABLE.fullmatch(known_by):
        return []
    events = read_log(environment, since_ms=since_ms, until_ms=until_ms, pattern=f'"{known_by}"', pages=_MOST_PAGES)
    try:
        lines = [line for line in map(read_line, events) if line.message in (_REJECTED, _FAILED)]
    except environment.aws.logs.exceptions.ResourceNotFoundException:
        return []
    found = [failure for failure in map(_failure, lines) if known_by in (failure.message_id, failure.tick_id)]
    return sorted(found, key=lambda failure: failure.at_ms)


def _failure(line: Line) -> Failure:
    return Failure(
        at_ms=line.at_ms,
        request_id=line.request_id,
        message_id=str(line.fields.get("message_id") or ""),
        tick_id=str(line.fields.get("tick_id") or _told_id(str(line.fields.get("body") or ""))),
        reason=str(line.fields.get("reason", "")),
        rejected=line.message == _REJECTED,
    )


def _told_id(body: str) -> str:
    """The tick id that the body of a rejected message tells, if it is whole and tells one."""
    try:
        return str(json.loads(body)["tick_id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
