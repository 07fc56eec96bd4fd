"""What doctor says of queues, mappings, functions and dead letters, whatever AWS answers, and of more than one."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bootstrap.function_zip import FunctionZip
from bootstrap.resources.event_source_mapping import EventSourceMapping
from bootstrap.resources.iam import Role
from bootstrap.resources.lambda_function import Function
from bootstrap.resources.logs import LogGroup
from bootstrap.resources.sqs import Queue
from operations import declared
from operations.doctor import processing
from operations.doctor.check import Check, State, run
from operations.doctor.examination import checks_of
from pipeline.contract import CONTRACT
from profiles.environment import Environment
from profiles.names import Names
from profiles.session import open_endpoint
from tests.support.aws_calls import Answer, acceptance, record, refusal
from tests.support.environments import at, stock_names
from tests.support.reconciled_world import CALM, NAMES, World

FUNCTION = "arn:aws:lambda:us-east-2:000000000000:function:StockProcessor"
GOOD = [CONTRACT.encode(tick) for tick in CALM[:2]]
BAD = ['{"tick_id": "bad-1"}', "{"]


def examined(environment: Environment, name: str) -> Check:
    return run(name, checks_of(environment)[name], "stockpipe up")


def seconds(visibility: int, timeout: int, window: int) -> Check:
    """What doctor says of a queue, a function and a mapping with these times."""
    aws = open_endpoint("http://127.0.0.1:1")
    mapping = {"FunctionArn": FUNCTION, "State": "Enabled", "MaximumBatchingWindowInSeconds": window}
    answers: dict[str, Answer] = {
        "GetQueueUrl": acceptance(QueueUrl="http://127.0.0.1:1/queue"),
        "GetQueueAttributes": acceptance(Attributes={"VisibilityTimeout": str(visibility)}),
        "GetFunctionConfiguration": acceptance(Timeout=timeout),
        "ListEventSourceMappings": acceptance(EventSourceMappings=[mapping]),
    }
    record(aws).intercept = lambda operation, _: answers[operation]
    return examined(at(aws, stock_names("000000000000")), "visibility")


def test_the_visibility_timeout_covers_the_batch_window_too() -> None:
    # AWS: "at least six times the function timeout, plus the value of MaximumBatchingWindowInSeconds"
    assert seconds(60, 10, 0).found == "60 s for a function timeout of 10 s"
    assert seconds(90, 10, 30).found == "90 s for a function timeout of 10 s and a batch window of 30 s"
    too_short = seconds(60, 10, 30)
    assert too_short.state is State.WARNING
    assert too_short.found == "60 s, but AWS recommends 90 s: ticks may be processed twice"
    assert too_short.fix == "stockpipe up"


@pytest.mark.parametrize(
    ("bodies", "what", "fix"),
    [
        (GOOD, "", "reasons: stockpipe dlq list; then: stockpipe dlq redrive"),
        (
            BAD,
            "; 2 of 2 are not valid ticks and can't ever succeed",
            "reasons: stockpipe dlq list; mend whoever sends them, then: stockpipe dlq purge",
        ),
        (
            GOOD + BAD,
            "; 2 of 4 are not valid ticks and can't ever succeed",
            "reasons: stockpipe dlq list; send back the valid ones only: stockpipe dlq redrive ID",
        ),
    ],
    ids=["valid", "invalid", "both"],
)
def test_what_to_do_with_dead_letters_depends_on_what_they_are(
    world: World, bodies: list[str], what: str, fix: str
) -> None:
    world.kill(bodies)
    check = examined(world.environment, "dead letters")
    alarm = f"alarm {NAMES.dead_letter_queue}-not-empty: missing"
    assert check.found == f"about {len(bodies)} messages failed too often; {alarm}{what}"
    assert (check.state, check.fix) == (State.WARNING, fix)


def test_the_alarm_is_shown_beside_dead_letters(world: World) -> None:
    world.kill(GOOD)
    world.aws.cloudwatch.put_metric_alarm(
        AlarmName=f"{NAMES.dead_letter_queue}-not-empty",
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    world.aws.cloudwatch.set_alarm_state(
        AlarmName=f"{NAMES.dead_letter_queue}-not-empty", StateValue="OK", StateReason="a minute ago it was empty"
    )
    found = examined(world.environment, "dead letters").found
    assert found == f"about 2 messages failed too often; alarm {NAMES.dead_letter_queue}-not-empty: OK"


def test_without_dead_letters_nothing_is_said_of_an_alarm(world: World) -> None:
    assert examined(world.environment, "dead letters").found == "none"


def function_with(names: Names, variables: dict[str, str]) -> Function:
    role, log_group = Role(names, "ReplayerRole", "ReplayerPolicy", ()), LogGroup(names, "/aws/lambda/Replayer", 14)
    return Function(names, "Replayer", FunctionZip(b"", ""), "replay.handler", role, log_group, 10, 128, variables)


@pytest.fixture
def two_functions(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A pipeline that declares a second queue, function, role and log group, first; nothing is made yet."""
    aws = open_endpoint("http://127.0.0.1:1")
    environment = at(aws, stock_names("000000000000"))
    names, both = environment.names, declared._declared(environment.pipeline, environment.names)
    dead = Queue(names, "Replays-dlq")
    queue = Queue(names, "Replays", dead_letters=dead)
    function = function_with(names, {})
    replays = (queue, dead, function, function.role, function.log_group, EventSourceMapping(queue, function))
    monkeypatch.setattr(declared, "_declared", lambda *_: (*replays, *both))

    def answer(operation: str, _: Mapping[str, Any]) -> Answer:
        if operation == "GetQueueUrl":
            return refusal("QueueDoesNotExist", "no")
        if operation == "GetRole":
            return refusal("NoSuchEntity", "no")
        if operation == "ListEventSourceMappings":
            return acceptance(EventSourceMappings=[])
        return refusal("ResourceNotFoundException", "no")

    record(aws).intercept = answer
    return environment


def test_every_declared_function_is_examined_with_its_queue_role_and_log(two_functions: Environment) -> None:
    checks = checks_of(two_functions)
    found = {name: run(name, check) for name, check in checks.items() if "Replay" in name}
    assert list(checks)[:2] == ["queue", "queue Replays"], "the pipeline's own resources come first"
    assert {name: check.found for name, check in found.items()} == {
        "queue Replays": "there is no queue Replays: ticks can't be sent",
        "mapping Replays → Replayer": "nothing hands Replays to Replayer: Lambda doesn't fire",
        "function Replayer": "there is no function Replayer: Lambda doesn't fire",
        "role ReplayerRole": "there is no role ReplayerRole: the function may do nothing",
        "visibility Replays → Replayer": "not checked without a queue",
        "log /aws/lambda/Replayer": "there is no log group /aws/lambda/Replayer: failures leave no trace",
        "dead letters Replays-dlq": "there is no queue Replays-dlq",
    }


@pytest.mark.parametrize(
    ("declared_variables", "state", "found"),
    [
        ({"BUCKET": "b"}, State.OK, "Replayer, python3.11, Active"),
        (
            {"BUCKET": "b", "SNS_TOPIC_ARN": "t"},
            State.FAILED,
            "every invocation fails: environment variable SNS_TOPIC_ARN is missing",
        ),
    ],
    ids=["a handler of its own", "ours"],
)
def test_a_second_function_needs_only_the_variables_that_it_is_declared_with(
    declared_variables: dict[str, str], state: State, found: str
) -> None:
    aws = open_endpoint("http://127.0.0.1:1")
    live = acceptance(Runtime="python3.11", State="Active", Environment={"Variables": {"BUCKET": "b"}})
    record(aws).intercept = lambda *_: live
    environment = at(aws, stock_names("000000000000"))
    replayer = function_with(environment.names, declared_variables)

    check = run("function Replayer", lambda: processing.function(environment, replayer))

    assert (check.state, check.found) == (state, found)


def test_a_redrive_policy_that_leads_elsewhere_is_a_fault(world: World) -> None:
    queue = world.aws.sqs.get_queue_url(QueueName=NAMES.queue)["QueueUrl"]
    policy = {"deadLetterTargetArn": NAMES.inbox_queue_arn, "maxReceiveCount": 5}
    world.aws.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps(policy)})
    check = examined(world.environment, "queue")
    assert check.state is State.FAILED
    assert check.found == "StockQueue has no redrive policy to StockQueue-dlq: a bad tick is tried for ever"
