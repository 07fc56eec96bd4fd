"""What the function's log says about messages that it left to SQS: one line for each failed delivery."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from operations.function_log import read_log
from operations.log_lines import read_line
from profiles.names import Names
from profiles.session import Aws

# Log lines go on AWS by text; a quoted term is searched for as it is.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
_QUOTABLE = re.compile(r"[\w-]+")
_MOST_PAGES = 50
_SAYS_SO = ("tick rejected", "tick failed")


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
    aws: Aws, names: Names, ids: Collection[str], *, since_ms: int, until_ms: int | None = None
) -> list[Failure]:
    """The failed deliveries of messages with one of these message or tick ids, oldest first."""
    wanted = {some_id for some_id in ids if _QUOTABLE.fullmatch(some_id)}
    if not wanted:
        return []
    pattern = " ".join(f'?"{some_id}"' for some_id in sorted(wanted))
    return [
        failure
        for failure in read_failures(aws, names, since_ms=since_ms, until_ms=until_ms, pattern=pattern)
        if wanted & {failure.message_id, failure.tick_id}
    ]


def read_failures(
    aws: Aws,
    names: Names,
    *,
    since_ms: int,
    until_ms: int | None = None,
    pattern: str = '?"tick rejected" ?"tick failed"',
) -> list[Failure]:
    """All failed deliveries of a time, oldest first; none where there is no log group."""
    found = []
    try:
        for event in read_log(aws, names, since_ms=since_ms, until_ms=until_ms, pattern=pattern, pages=_MOST_PAGES):
            line = read_line(event)
            if line.message in _SAYS_SO:
                found.append(
                    Failure(
                        at_ms=line.at_ms,
                        request_id=line.request_id,
                        message_id=str(line.fields.get("message_id") or ""),
                        tick_id=str(line.fields.get("tick_id") or ""),
                        reason=str(line.fields.get("reason", "")),
                        rejected=line.message == _SAYS_SO[0],
                    )
                )
    except aws.logs.exceptions.ResourceNotFoundException:
        return []
    return sorted(found, key=lambda failure: failure.at_ms)
