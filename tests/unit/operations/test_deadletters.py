"""What SQS answers to a redrive or a purge, injected; and that a purge asks."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from operations import deadletters
from operations.commands import dlq
from operations.deadletters import DeadLetter, Redrive, redrive_all
from profiles.errors import CannotRunError
from profiles.session import Aws, open_endpoint
from tests.support.aws_calls import Answer, Recorder, acceptance, record, refusal
from tests.support.command_line import stockpipe, works_on
from tests.support.environments import at, stock_names

NAMES = stock_names("000000000000")
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
ALREADY = "There is already a task running. Only one active task is allowed for a source queue arn at a given time."


class Sqs:
    """SQS as a test wants it: an answer for each operation; anything else is a mistake."""

    def __init__(self) -> None:
        self.aws: Aws = open_endpoint("http://127.0.0.1:1")
        self.recorder: Recorder = record(self.aws)
        self.answers: dict[str, Answer] = {
            "GetQueueUrl": acceptance(QueueUrl="http://127.0.0.1:1/queue"),
            "StartMessageMoveTask": acceptance(TaskHandle="ours"),
            "PurgeQueue": acceptance(),
        }
        self.recorder.intercept = self._answer
        self.holds(0)

    def holds(self, waiting: int) -> None:
        self.answers["GetQueueAttributes"] = acceptance(
            Attributes={
                "ApproximateNumberOfMessages": str(waiting),
                "ApproximateNumberOfMessagesNotVisible": "0",
                "ApproximateNumberOfMessagesDelayed": "0",
            }
        )

    def tasks(self, *tasks: dict[str, Any]) -> None:
        self.answers["ListMessageMoveTasks"] = acceptance(Results=list(tasks))

    def _answer(self, operation: str, _: Mapping[str, Any]) -> Answer:
        return self.answers[operation]


@pytest.fixture
def sqs() -> Sqs:
    return Sqs()


def test_the_task_that_was_started_is_waited_for_and_not_an_older_one(sqs: Sqs) -> None:
    sqs.tasks({"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 3}, {"Status": "FAILED"})
    assert redrive_all(at(sqs.aws, NAMES)) == Redrive(3, "task")


def test_a_task_that_is_running_already_is_waited_for(sqs: Sqs) -> None:
    sqs.answers["StartMessageMoveTask"] = refusal("AWS.SimpleQueueService.UnsupportedOperation", ALREADY)
    sqs.tasks({"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 7})
    assert redrive_all(at(sqs.aws, NAMES)) == Redrive(7, "task")


def test_a_task_that_takes_long_goes_on_without_us(sqs: Sqs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletters, "_MOVE_SECONDS", 0)
    sqs.tasks({"Status": "RUNNING", "TaskHandle": "ours", "ApproximateNumberOfMessagesMoved": 5})
    result = redrive_all(at(sqs.aws, NAMES))
    assert result == Redrive(5, "task", finished=False)
    assert "SQS is still at it" in dlq.describe(result)


def test_a_task_that_failed_says_why(sqs: Sqs) -> None:
    sqs.tasks({"Status": "FAILED", "ApproximateNumberOfMessagesMoved": 2, "FailureReason": "AccessDenied"})
    with pytest.raises(CannotRunError, match="stopped after 2 messages: AccessDenied"):
        redrive_all(at(sqs.aws, NAMES))


def test_a_refusal_is_not_taken_for_a_missing_task(sqs: Sqs) -> None:
    sqs.answers["StartMessageMoveTask"] = refusal("AccessDenied", "no", 403)
    with pytest.raises(CannotRunError, match="SQS refused to redrive StockQueue-dlq"):
        redrive_all(at(sqs.aws, NAMES))
    assert "SendMessageBatch" not in sqs.recorder.operations


@pytest.fixture
def at_a_terminal(sqs: Sqs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlq, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
    works_on(monkeypatch, at(sqs.aws, NAMES))
    letters = [DeadLetter(str(number), "{", "body is not JSON", 0, 5) for number in range(3)]
    monkeypatch.setattr(deadletters, "list_dead_letters", lambda *_, **__: letters)
    monkeypatch.setattr(Aws, "account", "000000000000")
    sqs.holds(3)


@pytest.mark.usefixtures("at_a_terminal")
def test_a_purge_asks_and_a_no_deletes_nothing(sqs: Sqs) -> None:
    answer = stockpipe("dlq", "purge", text="n\n")
    assert "3 x body is not JSON" in answer.stderr
    assert (
        "Permanently delete about 3 messages of StockQueue-dlq (account 000000000000, profile local)?" in answer.stderr
    )
    assert answer.error == "nothing was deleted"
    assert "PurgeQueue" not in sqs.recorder.operations


@pytest.mark.usefixtures("at_a_terminal")
def test_a_purge_that_is_confirmed_deletes(sqs: Sqs) -> None:
    answer = stockpipe("dlq", "purge", text="y\n")
    assert answer.stdout.splitlines()[-1] == "deleted about 3 dead letters"
    assert "PurgeQueue" in sqs.recorder.operations
