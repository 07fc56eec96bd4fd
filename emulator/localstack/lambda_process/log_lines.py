"""The lines that Lambda writes around a function's output: START, END, REPORT, INIT_REPORT and failures.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from .failures import timed_out_reason


@dataclass(frozen=True)
class Report:
    """What a REPORT line says. Times in milliseconds, memory in MB.

    `init_ms` is set on the first invocation of a process that was initialised before it; `status` is `timeout`,
    `error` or empty.
    """

    request_id: str
    duration_ms: float
    memory_size_mb: int
    max_memory_used_mb: int
    init_ms: float | None = None
    status: str = ""
    error_type: str = ""

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds, rounded up; since August 2025 AWS bills the init phase of managed runtimes as well."""
        return math.ceil(self.duration_ms + (self.init_ms or 0))


def start(request_id: str, version: str) -> str:
    """The line before the function's output; `version` is `$LATEST` or a number."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end(request_id: str) -> str:
    """The line after the function's output."""
    return f"END RequestId: {request_id}\n"


def report(values: Report) -> str:
    """The line that closes an invocation; every field is followed by a tab, as on AWS."""
    fields = [
        f"REPORT RequestId: {values.request_id}",
        f"Duration: {values.duration_ms:.2f} ms",
        f"Billed Duration: {values.billed_ms} ms",
        f"Memory Size: {values.memory_size_mb} MB",
        f"Max Memory Used: {values.max_memory_used_mb} MB",
    ]
    if values.init_ms is not None:
        fields.append(f"Init Duration: {values.init_ms:.2f} ms")
    if values.status:
        fields.append(f"Status: {values.status}")
    if values.error_type:
        fields.append(f"Error Type: {values.error_type}")
    return "\t".join(fields) + "\t\n"


def init_report(duration_ms: float, *, status: str, error_type: str = "") -> str:
    """The line about an init phase that failed (`error`) or took too long (`timeout`)."""
    line = f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: init\tStatus: {status}"
    return line + (f"\tError Type: {error_type}\n" if error_type else "\n")


def timed_out(request_id: str, timeout_seconds: int, now: datetime) -> str:
    """The line that says when the time was up."""
    moment = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{moment} {request_id} {timed_out_reason(timeout_seconds)}\n"


def exited(request_id: str, reason: str) -> str:
    """The lines about a process that ended before it answered."""
    return f"RequestId: {request_id} Error: {reason}\nRuntime.ExitError\n"
