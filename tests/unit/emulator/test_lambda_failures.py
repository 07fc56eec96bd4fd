"""The error payloads that Lambda itself makes, as AWS answered them in LocalStack's recorded tests."""

import json
import signal

import pytest

from emulator.localstack.lambda_process import failures


def test_a_timeout_says_how_long_the_function_may_run() -> None:
    payload = json.loads(failures.timed_out("id-1", 3))

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
    payload = json.loads(failures.exited("id-1", returncode))

    assert payload == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: id-1 Error: {reason}"}


def test_a_signal_without_a_name_of_ours_is_still_named() -> None:
    assert failures.exit_reason(-signal.SIGUSR1).startswith("Runtime exited with error: signal: user defined")


def test_a_too_large_response_says_how_large_it_is_and_may_be() -> None:
    payload = json.loads(failures.response_too_large(6_291_557, 6_291_556))

    assert payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert payload["errorMessage"] == (
        "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes)."
    )
