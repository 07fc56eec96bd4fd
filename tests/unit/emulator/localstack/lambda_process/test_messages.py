"""What Lambda itself writes; the forms are what AWS wrote and answered in LocalStack's recorded tests."""

import json
import signal
from datetime import UTC, datetime

import pytest

from emulator.localstack.lambda_process import messages

NOW = datetime(2026, 1, 5, 14, 30, 0, 250_000, tzinfo=UTC)


def test_start_and_end_name_the_request() -> None:
    assert messages.start_line("id-1", "$LATEST") == "START RequestId: id-1 Version: $LATEST\n"
    assert messages.end_line("id-1") == "END RequestId: id-1\n"


def test_a_report_of_a_warm_invocation() -> None:
    line = messages.report_line("id-1", 12.341, 128, 57)

    assert line == (
        "REPORT RequestId: id-1\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 57 MB\t\n"
    )


def test_a_report_of_a_cold_start_bills_the_init_phase_too() -> None:
    line = messages.report_line("id-1", 2.0, 128, 57, init_ms=100.5)

    assert line.endswith("\tInit Duration: 100.50 ms\t\n")
    assert "\tBilled Duration: 103 ms\t" in line


def test_a_report_of_a_failure_has_its_status_and_type() -> None:
    failed = messages.report_line("id-1", 2.0, 128, 57, status="error", error_type="Runtime.ExitError")
    timed_out = messages.report_line("id-1", 2.0, 128, 57, status="timeout")

    assert failed.endswith("\tStatus: error\tError Type: Runtime.ExitError\t\n")
    assert timed_out.endswith("\tStatus: timeout\t\n")


def test_an_init_report_says_what_failed() -> None:
    line = messages.init_report_line(10.0, status="error", error_type="Runtime.ImportModuleError")

    assert line == (
        "INIT_REPORT Init Duration: 10.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n"
    )
    assert messages.init_report_line(9.5, status="timeout") == (
        "INIT_REPORT Init Duration: 9.50 ms\tPhase: init\tStatus: timeout\n"
    )


def test_a_timeout_is_logged_with_its_moment() -> None:
    line = messages.timed_out("id-1", 3, NOW)[1]

    assert line == "2026-01-05T14:30:00.250Z id-1 Task timed out after 3.00 seconds\n"


def test_a_timeout_says_how_long_the_function_may_run() -> None:
    payload = json.loads(messages.timed_out("id-1", 3, NOW)[0])

    assert payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: id-1 Error: Task timed out after 3.00 seconds",
    }


@pytest.mark.parametrize(
    ("returncode", "reason"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (137, "Runtime exited with error: exit status 137"),
        (-signal.SIGKILL, "Runtime exited with error: signal: killed"),
        (-signal.SIGSEGV, "Runtime exited with error: signal: segmentation fault"),
        (-signal.SIGTERM, "Runtime exited with error: signal: terminated"),
        (-signal.SIGABRT, "Runtime exited with error: signal: aborted"),
    ],
)
def test_an_exit_says_how_the_process_ended(returncode: int, reason: str) -> None:
    answered, log = messages.exited("id-1", returncode)
    payload = json.loads(answered)

    assert log == f"RequestId: id-1 Error: {reason}\nRuntime.ExitError\n"
    assert payload == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: id-1 Error: {reason}"}


def test_a_signal_without_a_name_of_ours_is_still_named() -> None:
    assert messages.exit_reason(-signal.SIGUSR1).startswith("Runtime exited with error: signal: user defined")


def test_a_too_large_response_says_how_large_it_is_and_may_be() -> None:
    payload = json.loads(messages.response_too_large(6_291_557, 6_291_556))

    assert payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert payload["errorMessage"] == (
        "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes)."
    )
