"""What AWS answers for a while and no emulator does: injected with AWS's own words, with a clock that doesn't wait.

The calls are those of the declaration; the endpoint is never asked. For each answer: it is retried until it passes, it
is given up after its time with advice, and the same code with another text is not retried at all.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.model import Call, Live, Output, Step, Wait
from bootstrap.runner import Runner, StepError
from profiles.session import open_endpoint
from runtime.clock import Clock
from tests.support.aws_calls import Answer, FakeClock, Recorder, acceptance, record, refusal
from tests.support.environments import STOCKS, stock_names, stock_settings

RESOURCES = declare(STOCKS, stock_names("123456789012"), stock_settings(), FunctionZip(b"zip", "sha"))
CHANGED = frozenset({"Timeout", "CodeSha256", "BatchSize", "Policy"})
OUTPUTS = {
    Output(resource.id, name): value
    for resource in RESOURCES
    for name, value in (("QueueUrl", "https://sqs/q"), ("UUID", "0" * 36), ("SubscriptionArn", "arn:aws:sns:…"))
}


class Passing(NamedTuple):
    """An answer of AWS that passes by itself."""

    operation: str
    code: str
    text: str
    least_seconds: float
    most_seconds: float
    advice: str
    status: int = 400


_ROLE = "The role defined for the function cannot be assumed by Lambda."
_RECEIVE = "The provided execution role does not have permissions to call ReceiveMessage on SQS"
_PENDING = "The operation cannot be performed at this time. The function is currently in the following state: Pending"
_IN_PROGRESS = (
    "The operation cannot be performed at this time. An update is in progress for resource: "
    "arn:aws:lambda:us-east-2:123456789012:function:StockProcessor"
)
_VISIBILITY = "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"
_RECENTLY = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
_NO_DLQ = "Value {...} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
_ABORTED = "A conflicting conditional operation is currently in progress against this resource. Please try again."
_IN_USE = "Cannot update the event source mapping because it is in use."

PASSING = [
    Passing("CreateFunction", "InvalidParameterValueException", _ROLE, 60, 180, "trust policy"),
    Passing("UpdateFunctionConfiguration", "InvalidParameterValueException", _ROLE, 60, 180, "trust policy"),
    Passing("CreateEventSourceMapping", "InvalidParameterValueException", _RECEIVE, 60, 180, "sqs:ReceiveMessage"),
    Passing("CreateEventSourceMapping", "InvalidParameterValueException", _VISIBILITY, 60, 120, "visibility timeout"),
    Passing("UpdateFunctionConfiguration", "InvalidParameterValueException", _VISIBILITY, 60, 120, "visibility"),
    Passing("UpdateFunctionConfiguration", "ResourceConflictException", _PENDING, 60, 400, "doesn't settle", 409),
    Passing("UpdateFunctionConfiguration", "ResourceConflictException", _IN_PROGRESS, 60, 400, "doesn't settle", 409),
    Passing("UpdateFunctionCode", "ResourceConflictException", _IN_PROGRESS, 60, 400, "doesn't settle", 409),
    Passing("DeleteFunction", "ResourceConflictException", _IN_PROGRESS, 60, 400, "doesn't settle", 409),
    Passing("UpdateEventSourceMapping", "ResourceInUseException", _IN_USE, 60, 180, "doesn't settle"),
    Passing("DeleteEventSourceMapping", "ResourceInUseException", _IN_USE, 60, 180, "doesn't settle"),
    Passing("CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", _RECENTLY, 60, 90, "keeps deleting"),
    Passing("CreateQueue", "InvalidParameterValue", _NO_DLQ, 30, 90, "dead-letter queue was deleted"),
    *(
        Passing(operation, "OperationAborted", _ABORTED, 60, 180, "--bucket", 409)
        for operation in ("CreateBucket", "PutPublicAccessBlock", "PutBucketPolicy", "DeleteBucket")
    ),
]
_ids = [f"{one.operation}-{one.text[:24]}" for one in PASSING]


def _steps() -> list[tuple[str, Step]]:
    found: list[tuple[str, Step]] = []
    for resource in RESOURCES:
        live = Live("arn", "Active", resource.declared(), "default", {"UUID": "0" * 36}, {"inline": []})
        steps = (*resource.create(), *resource.update(live, CHANGED), *resource.delete(live))
        found += [(resource.id, step) for step in steps]
    return found


def _call(operation: str) -> tuple[str, Call]:
    return next(
        (resource, step) for resource, step in _steps() if isinstance(step, Call) and step.operation == operation
    )


def _wait(operation: str, resource_kind: str, gone: bool) -> tuple[str, Wait]:
    return next(
        (resource, step)
        for resource, step in _steps()
        if isinstance(step, Wait)
        and (step.operation, bool(step.gone)) == (operation, gone)
        and resource.startswith(resource_kind)
    )


def _runner() -> tuple[Runner, Recorder, FakeClock]:
    aws, clock = open_endpoint("http://127.0.0.1:9"), FakeClock()
    return Runner(aws, OUTPUTS, Clock(monotonic=clock.monotonic, sleep=clock.sleep)), record(aws), clock


def _answering(*answers: Answer) -> Any:
    """One answer after the other; the last one for ever."""
    left = list(answers)

    def intercept(_: str, __: Mapping[str, Any]) -> Answer:
        return left.pop(0) if len(left) > 1 else left[0]

    return intercept


GOOD = acceptance(QueueUrl="url", UUID="uuid", TopicArn="arn")


@pytest.mark.parametrize("passing", PASSING, ids=_ids)
def test_it_is_retried_until_it_passes(passing: Passing) -> None:
    runner, recorder, _ = _runner()
    refused = refusal(passing.code, passing.text, passing.status)
    recorder.intercept = _answering(refused, refused, refused, GOOD)

    runner.run(*_call(passing.operation))

    assert recorder.operations == [passing.operation] * 4
    assert len({repr(sorted(call.parameters.items())) for call in recorder.sent}) == 1


@pytest.mark.parametrize("passing", PASSING, ids=_ids)
def test_it_is_given_up_after_its_time_with_advice(passing: Passing) -> None:
    runner, recorder, clock = _runner()
    recorder.intercept = _answering(refusal(passing.code, passing.text, passing.status))

    with pytest.raises(StepError) as raised:
        runner.run(*_call(passing.operation))

    assert passing.least_seconds <= clock.time <= passing.most_seconds
    assert passing.text in str(raised.value)
    assert passing.advice in str(raised.value)


@pytest.mark.parametrize("passing", [one for one in PASSING if one.code != "ResourceInUseException"])
def test_the_same_code_with_another_text_is_not_retried(passing: Passing) -> None:
    runner, recorder, clock = _runner()
    recorder.intercept = _answering(refusal(passing.code, "Something else is wrong.", passing.status))

    with pytest.raises(StepError, match="Something else is wrong"):
        runner.run(*_call(passing.operation))

    assert recorder.operations == [passing.operation]
    assert clock.slept == []


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ServiceException"])
def test_other_errors_are_not_retried(code: str) -> None:
    runner, recorder, clock = _runner()
    recorder.intercept = _answering(refusal(code, _ROLE))

    with pytest.raises(StepError, match=code):
        runner.run(*_call("CreateFunction"))

    assert recorder.operations == ["CreateFunction"]
    assert clock.slept == []


def test_a_bucket_name_that_somebody_else_has_comes_with_advice_and_is_not_retried() -> None:
    runner, recorder, _ = _runner()
    recorder.intercept = _answering(refusal("BucketAlreadyExists", "The requested bucket name is not available.", 409))

    with pytest.raises(StepError, match=r"not available.*choose another with --bucket"):
        runner.run(*_call("CreateBucket"))

    assert recorder.operations == ["CreateBucket"]


def test_a_new_function_is_waited_for_while_pending() -> None:
    runner, recorder, _ = _runner()
    pending, active = ({"Configuration": {"State": state}} for state in ("Pending", "Active"))
    recorder.intercept = _answering(acceptance(**pending), acceptance(**pending), acceptance(**active))

    runner.run(*_wait("GetFunction", "function", gone=False))

    assert recorder.operations == ["GetFunction"] * 3


def test_a_function_that_fails_says_why() -> None:
    runner, recorder, _ = _runner()
    failed = {"State": "Failed", "StateReason": "The image is broken."}
    recorder.intercept = _answering(acceptance(Configuration=failed))

    with pytest.raises(StepError, match=r"Configuration\.State became Failed: The image is broken\."):
        runner.run(*_wait("GetFunction", "function", gone=False))


def test_a_function_that_stays_pending_is_given_up_with_its_state() -> None:
    runner, recorder, clock = _runner()
    recorder.intercept = _answering(acceptance(Configuration={"State": "Pending"}))

    with pytest.raises(StepError, match=r"waited 300 s for GetFunction .*; still Pending"):
        runner.run(*_wait("GetFunction", "function", gone=False))

    assert clock.time >= 300


@pytest.mark.parametrize("state", ["Creating", "Enabling", "Updating"])
def test_a_mapping_is_waited_for_until_it_polls(state: str) -> None:
    runner, recorder, _ = _runner()
    recorder.intercept = _answering(acceptance(State=state), acceptance(State=state), acceptance(State="Enabled"))

    runner.run(*_wait("GetEventSourceMapping", "event source mapping", gone=False))

    assert recorder.operations == ["GetEventSourceMapping"] * 3


def test_a_mapping_that_is_deleted_is_waited_for_until_it_is_gone() -> None:
    runner, recorder, _ = _runner()
    deleting = acceptance(State="Deleting")
    recorder.intercept = _answering(deleting, deleting, refusal("ResourceNotFoundException", "gone", 404))

    runner.run(*_wait("GetEventSourceMapping", "event source mapping", gone=True))

    assert recorder.operations == ["GetEventSourceMapping"] * 3
