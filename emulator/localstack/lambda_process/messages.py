"""What Lambda itself writes: the log lines around a function's output, and the error payloads of failures.

What a function's runtime reports (an exception, `Runtime.ImportModuleError`, `Runtime.UserCodeSyntaxError`,
`Runtime.HandlerNotFound`) comes from AWS's runtime client and is passed on as it is. The forms here are those that AWS
answered in LocalStack's recorded tests.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

import json
import math
import signal
from datetime import UTC, datetime

# Lambda prints Go's names of signals, and those differ from what the C library calls them on some systems.
_SIGNALS = {
    signal.SIGABRT: "aborted",
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
}


def start_line(request_id: str, version: str) -> str:
    """The line before the function's output; `version` is `$LATEST` or a number."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end_line(request_id: str) -> str:
    """The line after the function's output."""
    return f"END RequestId: {request_id}\n"


def report_line(
    request_id: str,
    duration_ms: float,
    memory_size_mb: int,
    max_memory_used_mb: int,
    *,
    init_ms: float | None = None,
    status: str = "",
    error_type: str = "",
) -> str:
    """The line that closes an invocation; every field is followed by a tab, as on AWS.

    `init_ms` is set on the first invocation of a process that was initialised before it; `status` is `timeout`,
    `error` or empty. Since August 2025 AWS bills the init phase of managed runtimes as well.
    """
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {math.ceil(duration_ms + (init_ms or 0))} ms",
        f"Memory Size: {memory_size_mb} MB",
        f"Max Memory Used: {max_memory_used_mb} MB",
        *([f"Init Duration: {init_ms:.2f} ms"] if init_ms is not None else []),
        *([f"Status: {status}"] if status else []),
        *([f"Error Type: {error_type}"] if error_type else []),
    ]
    return "\t".join(fields) + "\t\n"


def init_report_line(duration_ms: float, *, status: str, error_type: str = "") -> str:
    """The line about an init phase that failed (`error`) or took too long (`timeout`)."""
    line = f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: init\tStatus: {status}"
    return line + (f"\tError Type: {error_type}\n" if error_type else "\n")


def timed_out(request_id: str, timeout_seconds: int, now: datetime) -> tuple[bytes, str]:
    """Payload and log line where the function ran longer than its timeout."""
    moment = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    reason = f"Task timed out after {timeout_seconds:.2f} seconds"
    payload = _payload("Sandbox.Timedout", f"RequestId: {request_id} Error: {reason}")
    return payload, f"{moment} {request_id} {reason}\n"


def exited(request_id: str, returncode: int) -> tuple[bytes, str]:
    """Payload and log lines where the process ended before it answered."""
    message = f"RequestId: {request_id} Error: {exit_reason(returncode)}"
    return _payload("Runtime.ExitError", message), f"{message}\nRuntime.ExitError\n"


def exit_reason(returncode: int) -> str:
    """Why a process ended, in Lambda's words; a negative `returncode` is minus the signal's number."""
    if returncode == 0:
        return "Runtime exited without providing a reason"
    if returncode > 0:
        return f"Runtime exited with error: exit status {returncode}"
    name = _SIGNALS.get(signal.Signals(-returncode)) or signal.strsignal(-returncode) or f"signal {-returncode}"
    return f"Runtime exited with error: signal: {name.lower()}"


def response_too_large(size: int, limit: int) -> bytes:
    """The payload where a response is over the limit (6 MB and some, https://docs.aws.amazon.com/lambda/latest/dg/limits.html)."""
    return _payload(
        "Function.ResponseSizeTooLarge",
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({limit} bytes).",
    )


def _payload(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()
