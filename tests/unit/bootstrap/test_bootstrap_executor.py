"""Carrying out a plan: order, concurrency, and what happens when it is interrupted. No endpoint is asked."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from bootstrap.executor import Event, State, execute
from bootstrap.model import Action, Call, Output, Plan, Verb
from bootstrap.runner import Runner
from profiles.session import Aws, open_endpoint
from runtime.clock import Clock
from tests.support.aws_calls import Answer, Recorder, acceptance, record, refusal


@pytest.fixture
def recorded() -> tuple[Aws, Recorder]:
    aws = open_endpoint("http://127.0.0.1:9")
    recorder = record(aws)
    recorder.intercept = lambda *_: acceptance(TopicArn="arn:made")
    return aws, recorder


def _topic(name: str, *after: str) -> Action:
    call = Call("sns", "CreateTopic", {"Name": name}, outputs=("TopicArn",))
    return Action(Verb.CREATE, name, (call,), after=after)


def _names(recorder: Recorder) -> list[str]:
    return [call.parameters["Name"] for call in recorder.sent]


def test_an_action_comes_after_those_it_needs(recorded: tuple[Aws, Recorder]) -> None:
    aws, recorder = recorded
    plan = Plan((_topic("a"), _topic("b", "a"), _topic("c", "b", "not in this plan")))

    events = execute(aws, plan, lambda _: None, Clock())

    assert _names(recorder) == ["a", "b", "c"]
    assert {event.state for event in events} == {State.DONE}


def test_independent_actions_run_at_once(recorded: tuple[Aws, Recorder]) -> None:
    aws, recorder = recorded
    together = threading.Barrier(3, timeout=10)

    def meet(_: str, __: Mapping[str, Any]) -> Answer:
        together.wait()  # passes only if all three are here
        return acceptance(TopicArn="arn")

    recorder.intercept = meet
    events = execute(aws, Plan((_topic("a"), _topic("b"), _topic("c"))), lambda _: None, Clock())

    assert [event.state for event in events] == [State.DONE] * 3


def test_what_needs_an_action_without_steps_does_not_wait_for_others(recorded: tuple[Aws, Recorder]) -> None:
    aws, recorder = recorded
    together = threading.Barrier(2, timeout=4)  # shorter than the executor's own look around

    def meet(_: str, __: Mapping[str, Any]) -> Answer:
        together.wait()
        return acceptance(TopicArn="arn")

    recorder.intercept = meet
    as_declared = Action(Verb.NO_CHANGE, "a")
    events = execute(aws, Plan((_topic("slow"), as_declared, _topic("b", "a"))), lambda _: None, Clock())

    assert [event.state for event in events] == [State.DONE] * 3


def test_what_one_call_answers_is_the_parameter_of_the_next(recorded: tuple[Aws, Recorder]) -> None:
    aws, recorder = recorded
    delete = Action(
        Verb.DELETE, "b", (Call("sns", "DeleteTopic", {"TopicArn": Output("a", "TopicArn")}),), after=("a",)
    )

    execute(aws, Plan((_topic("a"), delete)), lambda _: None, Clock())

    assert recorder.sent[-1].parameters == {"TopicArn": "arn:made"}


def test_after_a_failure_the_independent_go_on_and_the_dependent_are_skipped(recorded: tuple[Aws, Recorder]) -> None:
    aws, recorder = recorded
    denied = refusal("AuthorizationError", "not authorized", 403)
    recorder.intercept = lambda _, given: denied if given["Name"] == "a" else acceptance(TopicArn="arn")
    seen: list[Event] = []

    execute(aws, Plan((_topic("a"), _topic("b", "a"), _topic("c", "b"), _topic("d"))), seen.append, Clock())

    ended = {event.action.resource: event for event in seen if event.state is not State.RUNNING}
    assert {name: event.state for name, event in ended.items()} == {
        "a": State.FAILED,
        "b": State.SKIPPED,
        "c": State.SKIPPED,
        "d": State.DONE,
    }
    assert "not authorized" in ended["a"].error
    assert ended["b"].error == "a did not succeed"


def test_when_interrupted_no_further_call_is_made(
    recorded: tuple[Aws, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    aws, recorder = recorded
    two_steps = Action(Verb.CREATE, "b", (*_topic("b1").steps, *_topic("b2").steps))
    b_is_calling, interrupted = threading.Event(), threading.Event()

    def answer(_: str, given: Mapping[str, Any]) -> Answer:
        if given["Name"] == "b1":
            b_is_calling.set()
            interrupted.wait(10)
        else:
            b_is_calling.wait(10)
        return acceptance(TopicArn="arn")

    def ctrl_c(event: Event) -> None:
        if event.action.resource == "a" and event.state is State.DONE:
            raise KeyboardInterrupt

    def stop(runner: Runner) -> None:
        really_stop(runner)
        interrupted.set()

    really_stop = Runner.stop
    monkeypatch.setattr(Runner, "stop", stop)
    recorder.intercept = answer
    with pytest.raises(KeyboardInterrupt):
        execute(aws, Plan((_topic("a"), two_steps)), ctrl_c, Clock())

    assert sorted(_names(recorder)) == ["a", "b1"]
