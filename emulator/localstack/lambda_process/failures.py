"""The error payloads that Lambda itself makes, when the function could not make one.

What a function's runtime reports (an exception, `Runtime.ImportModuleError`, `Runtime.UserCodeSyntaxError`,
`Runtime.HandlerNotFound`) comes from AWS's runtime client and is passed on as it is. The shapes here are those that
AWS answered in LocalStack's recorded tests.
"""

import json
import signal


def timed_out(request_id: str, timeout_seconds: int) -> bytes:
    """The function ran longer than its timeout."""
    return _payload("Sandbox.Timedout", f"RequestId: {request_id} Error: {timed_out_reason(timeout_seconds)}")


def timed_out_reason(timeout_seconds: int) -> str:
    """The words that the payload and the log line share."""
    return f"Task timed out after {timeout_seconds:.2f} seconds"


def exited(request_id: str, returncode: int) -> bytes:
    """The process ended before it answered."""
    return _payload("Runtime.ExitError", f"RequestId: {request_id} Error: {exit_reason(returncode)}")


def exit_reason(returncode: int) -> str:
    """Why a process ended, in Lambda's words; a negative `returncode` is minus the signal's number."""
    if returncode == 0:
        return "Runtime exited without providing a reason"
    if returncode > 0:
        return f"Runtime exited with error: exit status {returncode}"
    name = _SIGNALS.get(signal.Signals(-returncode)) or signal.strsignal(-returncode) or f"signal {-returncode}"
    return f"Runtime exited with error: signal: {name.lower()}"


def response_too_large(size: int, limit: int) -> bytes:
    """The function's response is over the limit (6 MB and some, https://docs.aws.amazon.com/lambda/latest/dg/limits.html)."""
    return _payload(
        "Function.ResponseSizeTooLarge",
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({limit} bytes).",
    )


# Lambda prints Go's names of signals, and those differ from what the C library calls them on some systems.
_SIGNALS = {
    signal.SIGABRT: "aborted",
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
}


def _payload(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()
