"""A redrive that is killed before each of its API calls in turn: no dead letter is lost, and the next one ends it."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from operations import queues
from operations.deadletters import purge, redrive_all, redrive_one
from operations.queues import depth
from profiles.errors import CannotRunError
from profiles.session import Aws, open_endpoint
from tests.support.aws_calls import Answer, Recorder, record
from tests.support.environments import at, stock_names
from tests.support.waiting import wait_until

MESSAGES = 12  # more than SQS hands out at once
_numbers = itertools.count(1)


class KilledError(BaseException):
    """The process ends here: nothing that it would still do happens."""


class Queues:
    """A queue and its dead-letter queue, with nobody who consumes."""

    def __init__(self, aws: Aws, recorder: Recorder) -> None:
        self.aws = aws
        self.recorder = recorder
        self.names = stock_names(aws.account, f"r{os.getpid() % 1_000_000}-{next(_numbers)}")
        self.environment = at(aws, self.names)
        self.dead = aws.sqs.create_queue(QueueName=self.names.dead_letter_queue)["QueueUrl"]
        redrive = {"deadLetterTargetArn": self.names.dead_letter_queue_arn, "maxReceiveCount": "5"}
        self.ticks = aws.sqs.create_queue(
            QueueName=self.names.queue, Attributes={"RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]

    def kill(self, bodies: list[str]) -> list[str]:
        """Put messages among the dead letters; their ids."""
        return [self.aws.sqs.send_message(QueueUrl=self.dead, MessageBody=body)["MessageId"] for body in bodies]

    def take_ticks(self) -> list[str]:
        bodies = []
        while found := self.aws.sqs.receive_message(QueueUrl=self.ticks, MaxNumberOfMessages=10).get("Messages", []):
            for message in found:
                bodies.append(message["Body"])
                self.aws.sqs.delete_message(QueueUrl=self.ticks, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def total(self) -> int:
        return depth(self.aws, self.dead).total + depth(self.aws, self.ticks).total

    def die_before_call(self, number: int) -> None:
        """The process dies before its call with this number, and so makes no later one."""
        calls = itertools.count(1)

        def intercept(_: str, __: Mapping[str, Any]) -> Answer | None:
            if next(calls) >= number:
                raise KilledError
            return None

        self.recorder.intercept = intercept

    def redrive_until_done(self) -> None:
        self.recorder.intercept = None
        wait_until(lambda: redrive_all(self.environment).finished and depth(self.aws, self.dead).total == 0)


@pytest.fixture(autouse=True)
def _visible_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process has received comes back after a second, not after thirty."""
    monkeypatch.setattr(queues, "_HIDDEN_SECONDS", 1)


@pytest.fixture
def copying(ministack: Any) -> Iterator[Queues]:
    """On an engine without message move tasks."""
    yield from _queues(ministack.endpoint_url)


@pytest.fixture
def moving(localstack: Any) -> Iterator[Queues]:
    """On an engine with message move tasks."""
    yield from _queues(localstack.endpoint_url)


def _queues(endpoint_url: str) -> Iterator[Queues]:
    aws = open_endpoint(endpoint_url)
    made = Queues(aws, record(aws))
    yield made
    made.recorder.intercept = None
    for url in (made.ticks, made.dead):
        aws.sqs.delete_queue(QueueUrl=url)


def check_every_kill(queues: Queues, way: str) -> int:
    """Kill before call 1, 2, 3 … until one redrive gets to its end. Returns how many calls that took."""
    for number in itertools.count(1):
        bodies = [f"message {number}-{index}" for index in range(MESSAGES)]
        queues.kill(bodies)
        queues.die_before_call(number)
        try:
            finished = redrive_all(queues.environment)
        except KilledError:
            queues.recorder.intercept = None
            assert queues.total() >= MESSAGES, f"killed before call {number}"
            queues.redrive_until_done()
            assert set(bodies) == set(queues.take_ticks())
            continue
        assert (finished.way, finished.moved) == (way, MESSAGES)
        queues.recorder.intercept = None
        assert Counter(queues.take_ticks()) == Counter(bodies), "undisturbed, each is sent back once"
        return number - 1
    raise AssertionError("unreachable")


def test_a_killed_copy_loses_nothing(copying: Queues) -> None:
    assert check_every_kill(copying, "copy") >= 8


def test_a_killed_wait_for_the_task_of_sqs_loses_nothing(moving: Queues) -> None:
    assert check_every_kill(moving, "task") >= 2


def test_a_tick_that_is_copied_twice_is_still_one_tick(copying: Queues) -> None:
    # given a tick that has its id and its time from its message
    (message_id,) = copying.kill(['{"symbol": "AAPL", "price": 1.5, "volume": 2}'])
    sent = copying.aws.sqs.receive_message(
        QueueUrl=copying.dead, MessageSystemAttributeNames=["All"], VisibilityTimeout=0
    )["Messages"][0]["Attributes"]["SentTimestamp"]

    # when the copy is there and the process dies before it deletes the dead letter, and then it is copied again
    copying.recorder.intercept = _dies_before("DeleteMessageBatch")
    with pytest.raises(KilledError):
        redrive_one(copying.environment, message_id)
    copying.redrive_until_done()

    # then both copies are the same tick
    ticks = [json.loads(body) for body in copying.take_ticks()]
    assert len(ticks) == 2
    assert ticks[0] == ticks[1]
    assert ticks[0]["tick_id"] == message_id
    assert ticks[0]["timestamp"].endswith(f"{int(sent) % 1000:03}Z")


def test_large_messages_are_copied_in_several_calls(copying: Queues) -> None:
    bodies = [character * 200_000 for character in "abc"]
    copying.kill(bodies)
    assert redrive_all(copying.environment).moved == 3
    assert Counter(copying.take_ticks()) == Counter(bodies)
    assert copying.recorder.operations.count("SendMessageBatch") == 3


def _dies_before(operation: str) -> Callable[[str, Mapping[str, Any]], Answer | None]:
    dead: list[str] = []

    def intercept(called: str, _: Mapping[str, Any]) -> Answer | None:
        if dead or called == operation:
            dead.append(called)
            raise KilledError
        return None

    return intercept


def test_the_second_purge_within_a_minute_is_refused_in_words(moving: Queues) -> None:
    purge(moving.environment)
    with pytest.raises(CannotRunError, match="was purged in the last 60 s"):
        purge(moving.environment)
