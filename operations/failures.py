"""What the function's log says about messages that it left to SQS: one line for each failed delivery."""

import re
from dataclasses import dataclass
from typing import Any

from operations.function_log import read_log
from operations.log_lines import Line, read_line
from profiles.environment import Environment
from runtime.contract import Contract
from runtime.log_events import log_events

# One quoted term is what AWS and all engines understand alike; ministack takes `?a ?b` (a or b) for a and b.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
_QUOTABLE = re.compile(r"[\w-]+")
_MOST_PAGES = 50


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed delivery.

    `rejected`: the message is not a valid record; otherwise AWS didn't let it be stored or alerted.
    """

    at_ms: int
    request_id: str
    message_id: str
    record_id: str
    reason: str
    rejected: bool


def failures_of(
    environment: Environment,
    *,
    message_id: str | None,
    record_id: str | None,
    since_ms: int,
    until_ms: int | None = None,
) -> list[Failure]:
    """The failed deliveries of a message, oldest first; none where there is no log group."""
    known_by = message_id or record_id
    if not known_by or not _QUOTABLE.fullmatch(known_by):
        return []
    names = log_events(environment.contract)
    events = read_log(environment, since_ms=since_ms, until_ms=until_ms, pattern=f'"{known_by}"', pages=_MOST_PAGES)
    try:
        lines = [line for line in map(read_line, events) if line.message in (names.rejected, names.failed)]
    except environment.aws.logs.exceptions.ResourceNotFoundException:
        return []
    failures = (_failure(environment.contract, line, rejected=line.message == names.rejected) for line in lines)
    found = [failure for failure in failures if known_by in (failure.message_id, failure.record_id)]
    return sorted(found, key=lambda failure: failure.at_ms)


def _failure(contract: Contract[Any], line: Line, *, rejected: bool) -> Failure:
    """A rejected message's id is read from its body, if that is whole and tells one."""
    return Failure(
        at_ms=line.at_ms,
        request_id=line.request_id,
        message_id=str(line.fields.get("message_id") or ""),
        record_id=str(
            line.fields.get(contract.record.ID) or contract.told_id(str(line.fields.get("body") or "")) or ""
        ),
        reason=str(line.fields.get("reason", "")),
        rejected=rejected,
    )
