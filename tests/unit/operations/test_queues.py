"""Reading all of a queue ends, however slowly it is read and however wrong SQS's counts are."""

import json
from collections.abc import Generator
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from operations.deadletters import read_all
from operations.queues import browse, peek
from profiles.session import Aws, Profile
from tests.support.environments import at, stock_names

URL = "http://127.0.0.1/queue"


class SlowQueue:
    """SQS by a clock of its own: each receive takes `seconds`, and what isn't given back in time comes round again."""

    def __init__(self, messages: int, *, seconds: float = 0.1, counted: int | None = None) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.counted = messages if counted is None else counted
        self.longest_hidden: float = 43_200
        self.hidden_until = {f"m-{number}": 0.0 for number in range(messages)}
        self.handles: dict[str, str] = {}
        self.receives = 0
        self.refusal: Exception | None = None
        self.given_back: list[list[str]] = []
        self._numbers = count()

    @property
    def aws(self) -> Aws:
        return cast("Aws", SimpleNamespace(sqs=self, profile=Profile("slow", None)))

    def get_queue_url(self, **_: Any) -> Any:
        return {"QueueUrl": URL}

    def get_queue_attributes(self, **_: Any) -> Any:
        kinds = ("", "NotVisible", "Delayed")
        counts = (self.counted, 0, 0)
        return {
            "Attributes": {
                f"ApproximateNumberOfMessages{kind}": str(number) for kind, number in zip(kinds, counts, strict=True)
            }
        }

    def receive_message(self, *, VisibilityTimeout: int, **_: Any) -> Any:  # noqa: N803 - AWS's name
        self.receives += 1
        assert self.receives < 5000, "it does not end"
        self.now += self.seconds
        visible = [name for name, until in self.hidden_until.items() if until <= self.now][:10]
        for name in visible:
            self.hidden_until[name] = self.now + min(VisibilityTimeout, self.longest_hidden)
            self.handles[name] = f"{name}/{next(self._numbers)}"
            self.hidden_until[name] = self.hidden_until.pop(name)  # to the end, so that others have their turn
        return {"Messages": [self._message(name) for name in visible]} if visible else {}

    def _message(self, name: str) -> dict[str, Any]:
        return {
            "MessageId": name,
            "ReceiptHandle": self.handles[name],
            "Body": json.dumps({"tick_id": name}),
            "Attributes": {"SentTimestamp": "0"},
        }

    def change_message_visibility_batch(self, *, Entries: list[dict[str, Any]], **_: Any) -> Any:  # noqa: N803
        seconds = {entry["VisibilityTimeout"] for entry in Entries}
        if seconds == {0}:
            self.given_back.append([entry["ReceiptHandle"] for entry in Entries])
        if self.refusal:
            raise self.refusal
        for entry in Entries:
            name = entry["ReceiptHandle"].partition("/")[0]
            if self.handles[name] == entry["ReceiptHandle"] and self.hidden_until[name] > self.now:
                self.hidden_until[name] = self.now + min(entry["VisibilityTimeout"], self.longest_hidden)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def browse(self, *, limit: int | None = None, thorough: bool = False) -> "Generator[Any, None, None]":
        return browse(self.aws, URL, limit=limit, thorough=thorough, now=lambda: self.now)

    @property
    def still_hidden(self) -> list[str]:
        return [name for name, until in self.hidden_until.items() if until > self.now]


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("counted", [100, 107, 5000])
def test_messages_that_come_round_are_read_once_and_it_ends(counted: int, *, thorough: bool) -> None:
    # given messages that are visible again long before the last one is read
    queue = SlowQueue(107, counted=counted)
    queue.longest_hidden = 0.3

    # when all are read
    ids = [message["MessageId"] for message in queue.browse(thorough=thorough)]

    # then each is there once: all of them, or at least as many as SQS counts
    assert len(ids) == len(set(ids))
    assert len(ids) >= (107 if thorough else min(counted, 107))
    assert queue.still_hidden == []


def test_a_message_that_comes_round_is_given_back_by_its_newest_handle() -> None:
    queue = SlowQueue(3, counted=5)
    queue.longest_hidden = 0.05
    assert len(list(queue.browse())) == 3
    assert queue.receives > 1
    assert [sorted(handles) for handles in queue.given_back] == [sorted(queue.handles.values())]


@pytest.mark.parametrize("counted", [0, 1200, 2500, 2600])
def test_thousands_are_read_though_each_receive_takes_a_second(counted: int) -> None:
    # given so many that reading takes minutes
    queue = SlowQueue(2500, seconds=0.9, counted=counted)

    # when all are read, thoroughly
    letters = list(queue.browse(thorough=True))

    # then all are seen, whatever SQS counts, and can be received by others at once
    assert len(letters) == 2500
    assert queue.still_hidden == []
    if counted >= 2500:
        assert queue.receives <= 251, "none came round"


@pytest.mark.parametrize(("messages", "most_hidden"), [(1, 5), (200, 7), (2500, 30)])
def test_a_reader_that_is_killed_hides_messages_for_seconds_only(messages: int, most_hidden: float) -> None:
    # given a reader that has seen all, over a time many times as long as a message is hidden
    queue = SlowQueue(messages, seconds=0.9)
    seen = queue.browse(limit=messages + 1, thorough=True)
    for _ in range(messages):
        next(seen)

    # when it is killed: nothing is given back
    killed_at = queue.now

    # then another reader sees all a few seconds later
    assert max(queue.hidden_until.values()) - killed_at <= most_hidden
    queue.now = killed_at + most_hidden
    assert len(list(queue.browse())) == messages
    del seen


def test_messages_stay_hidden_while_they_are_read() -> None:
    # given a reader that has half of the messages, after many times the time for which one is hidden
    queue = SlowQueue(400, seconds=1)
    seen = queue.browse()
    for _ in range(195):
        next(seen)

    # then none came round, so all are read with as few calls as possible
    assert queue.receives == 20
    assert sum(1 for _ in seen) == 205
    assert queue.receives == 40


def test_a_count_of_none_is_not_believed_before_sqs_was_asked() -> None:
    queue = SlowQueue(25, counted=0)
    assert len(peek(queue.aws, URL)) == 25


def test_a_limit_is_kept() -> None:
    queue = SlowQueue(25)
    assert len(peek(queue.aws, URL, limit=1)) == 1
    assert queue.still_hidden == []


@pytest.mark.parametrize(
    ("refusal", "tried"),
    [
        (ClientError({"Error": {"Code": "InvalidParameterValue"}}, "ChangeMessageVisibilityBatch"), 3),
        (EndpointConnectionError(endpoint_url=URL), 1),
    ],
)
def test_what_can_not_be_given_back_is_no_error(refusal: Exception, tried: int) -> None:
    queue = SlowQueue(25)
    queue.refusal = refusal
    assert len(peek(queue.aws, URL)) == 25
    assert len(queue.given_back) == tried


def test_a_reader_that_is_closed_gives_back_what_it_has() -> None:
    queue = SlowQueue(25)
    letters = read_all(at(queue.aws, stock_names("000000000000")))
    next(letters)
    letters.close()
    assert queue.receives == 1
    assert queue.still_hidden == []
