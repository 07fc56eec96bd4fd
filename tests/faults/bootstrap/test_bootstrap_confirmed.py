"""A plan that somebody has confirmed: exactly its calls are made, and none if the environment has changed since."""

from collections.abc import Mapping
from typing import Any

import pytest

from bootstrap import BootstrapError, apply, plan, plan_removal, status, up
from bootstrap.model import Call, EmptyBucket, Output, Plan
from profiles.session import open_endpoint
from runtime.clock import Clock
from tests.support.aws_calls import READ_ONLY, Answer, FakeClock, acceptance, refusal
from tests.support.environments import stock_settings
from tests.support.sandboxes import Sandbox


def shown(confirmed: Plan) -> list[tuple[str, dict[str, Any]]]:
    """(operation, parameters) of each call in the plan; without what AWS is to answer first."""
    steps = [step for action in confirmed.changes for step in action.steps]
    assert not any(isinstance(step, EmptyBucket) for step in steps)
    return sorted(((step.operation, _known(step.parameters)) for step in steps if isinstance(step, Call)), key=repr)


def made(sandbox: Sandbox, *, without: frozenset[str] = frozenset()) -> list[tuple[str, dict[str, Any]]]:
    return sorted(
        ((call.operation, _without(call.parameters, without)) for call in sandbox.recorder.mutations), key=repr
    )


def _known(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if not isinstance(value, Output)}


def _without(parameters: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key not in keys}


def test_the_calls_that_the_plan_shows_are_the_calls_that_are_made(sandbox: Sandbox) -> None:
    confirmed = plan(sandbox.environment, sandbox.settings)
    sandbox.recorder.forget()

    report = apply(sandbox.environment, confirmed)

    answered = frozenset({"QueueUrl"})
    assert made(sandbox, without=answered) == shown(confirmed)
    assert {action.resource for action in report.actions} == {action.resource for action in confirmed.changes}
    assert all(one.as_declared for one in status(sandbox.environment, sandbox.settings))


def test_a_removal_is_carried_out_as_it_was_shown(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    confirmed = plan_removal(sandbox.environment, sandbox.settings, keep_data=True)

    report = apply(sandbox.environment, confirmed)

    assert report.left == {f"bucket {sandbox.names.bucket}": "kept, as asked"}
    assert [one.resource for one in status(sandbox.environment, sandbox.settings) if one.exists] == list(report.left)


def test_a_change_since_the_plan_was_shown_is_named_and_nothing_is_done(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    confirmed = plan(sandbox.environment, stock_settings(alert_threshold=900.0))
    queue = sandbox.names.queue
    url = sandbox.aws.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    sandbox.aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    sandbox.recorder.forget()

    with pytest.raises(BootstrapError) as raised:
        apply(sandbox.environment, confirmed)

    assert str(raised.value) == (
        f"not as the plan showed it any more, so nothing was changed: queue {queue} (no change, now update). Run it "
        "again to see the plan as it is now"
    )
    assert sandbox.recorder.mutations == []


def test_what_somebody_made_since_is_not_removed_unseen(sandbox: Sandbox) -> None:
    confirmed = plan_removal(sandbox.environment, sandbox.settings)
    up(sandbox.environment, sandbox.settings)
    sandbox.recorder.forget()

    with pytest.raises(BootstrapError, match=r"nothing was changed: .*topic .* \(no change, now delete\)"):
        apply(sandbox.environment, confirmed)

    assert sandbox.recorder.mutations == []


def test_somebody_who_is_faster_ends_it_and_is_not_overruled(sandbox: Sandbox) -> None:
    other, topic = open_endpoint(str(sandbox.aws.profile.endpoint_url)), sandbox.names.topic
    confirmed = plan(sandbox.environment, sandbox.settings)
    sandbox.recorder.forget()

    def intercept(called: str, parameters: Mapping[str, Any]) -> Answer | None:
        if called != "CreateTopic":
            return None
        other.sns.create_topic(**{**parameters, "Attributes": {"DisplayName": "x"}})
        return refusal("InvalidParameter", "Invalid parameter: Topic already exists with different tags", 400)

    sandbox.recorder.intercept = intercept
    with pytest.raises(BootstrapError, match=f"because somebody else changed topic {topic}: .*already exists.*Run it"):
        apply(sandbox.environment, confirmed)

    assert [call.operation for call in sandbox.recorder.mutations].count("CreateTopic") == 1
    assert "CreateEventSourceMapping" not in sandbox.recorder.operations  # what needs the topic wasn't made


def test_what_is_still_shown_after_it_was_deleted_is_deleted_again(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    confirmed = plan_removal(sandbox.environment, sandbox.settings)
    clock, queue = FakeClock(), sandbox.names.queue
    arn, url = sandbox.names.queue_arn, f"{sandbox.aws.profile.endpoint_url}/{sandbox.aws.account}/{queue}"
    tags = {"stockpipe:environment": sandbox.names.environment}
    ghost: dict[str, dict[str, Any]] = {
        "GetQueueUrl": {"QueueUrl": url},
        "GetQueueAttributes": {"Attributes": {"QueueArn": arn}},
        "ListQueueTags": {"Tags": tags},
    }

    def intercept(called: str, parameters: Mapping[str, Any]) -> Answer | None:
        meant = str(parameters.get("QueueName") or parameters.get("QueueUrl")).rpartition("/")[2]
        if not called.startswith(READ_ONLY) or called not in ghost or meant != queue or clock.time > 40:
            return None
        return acceptance(**ghost[called])

    sandbox.recorder.intercept = intercept
    apply(sandbox.environment, confirmed, clock=Clock(monotonic=clock.monotonic, sleep=clock.sleep))

    assert 40 < clock.time < 110
