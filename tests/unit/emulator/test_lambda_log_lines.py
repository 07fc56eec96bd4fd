"""The lines around a function's output; their form is what AWS wrote in LocalStack's recorded tests."""

from datetime import UTC, datetime

from emulator.localstack.lambda_process import log_lines
from emulator.localstack.lambda_process.log_lines import Report


def test_start_and_end_name_the_request() -> None:
    assert log_lines.start("id-1", "$LATEST") == "START RequestId: id-1 Version: $LATEST\n"
    assert log_lines.end("id-1") == "END RequestId: id-1\n"


def test_a_report_of_a_warm_invocation() -> None:
    line = log_lines.report(Report("id-1", 12.341, 128, 57))

    assert line == (
        "REPORT RequestId: id-1\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 57 MB\t\n"
    )


def test_a_report_of_a_cold_start_bills_the_init_phase_too() -> None:
    line = log_lines.report(Report("id-1", 2.0, 128, 57, init_ms=100.5))

    assert line.endswith("\tInit Duration: 100.50 ms\t\n")
    assert "\tBilled Duration: 103 ms\t" in line


def test_a_report_of_a_failure_has_its_status_and_type() -> None:
    failed = log_lines.report(Report("id-1", 2.0, 128, 57, status="error", error_type="Runtime.ExitError"))
    timed_out = log_lines.report(Report("id-1", 2.0, 128, 57, status="timeout"))

    assert failed.endswith("\tStatus: error\tError Type: Runtime.ExitError\t\n")
    assert timed_out.endswith("\tStatus: timeout\t\n")


def test_an_init_report_says_what_failed() -> None:
    line = log_lines.init_report(10.0, status="error", error_type="Runtime.ImportModuleError")

    assert line == (
        "INIT_REPORT Init Duration: 10.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n"
    )
    assert log_lines.init_report(9.5, status="timeout") == (
        "INIT_REPORT Init Duration: 9.50 ms\tPhase: init\tStatus: timeout\n"
    )


def test_a_timeout_is_logged_with_its_moment() -> None:
    line = log_lines.timed_out("id-1", 3, datetime(2026, 1, 5, 14, 30, 0, 250_000, tzinfo=UTC))

    assert line == "2026-01-05T14:30:00.250Z id-1 Task timed out after 3.00 seconds\n"
