"""Reading all of a queue ends, however slowly it is read and however wrong SQS's counts are."""

import json
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from operations.deadletters import read_all
from operations.queues import browse, hidden_seconds, peek
from profiles.session import Aws

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
        return cast("Aws", SimpleNamespace(sqs=self))

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
        self.given_back.append([entry["ReceiptHandle"] for entry in Entries])
        if self.refusal:
            raise self.refusal
        for entry in Entries:
            name = entry["ReceiptHandle"].partition("/")[0]
            if self.handles[name] == entry["ReceiptHandle"]:
                self.hidden_until[name] = self.now
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

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
    ids = [letter.message_id for letter in read_all(queue.aws, URL, thorough=thorough)]

    # then each is there once: all of them, or at least as many as SQS counts
    assert len(ids) == len(set(ids))
    assert len(ids) >= (107 if thorough else min(counted, 107))
    assert queue.still_hidden == []


def test_a_message_that_comes_round_is_given_back_by_its_newest_handle() -> None:
    queue = SlowQueue(3, counted=5)
    queue.longest_hidden = 0.05
    assert len(list(browse(queue.aws, URL))) == 3
    assert queue.receives > 1
    assert [sorted(handles) for handles in queue.given_back] == [sorted(queue.handles.values())]


@pytest.mark.parametrize("counted", [0, 1200, 2500, 2600])
def test_thousands_are_read_though_each_receive_takes_a_second(counted: int) -> None:
    # given so many that reading takes minutes
    queue = SlowQueue(2500, seconds=0.9, counted=counted)

    # when all are read, thoroughly
    letters = list(read_all(queue.aws, URL, thorough=True))

    # then all are seen, whatever SQS counts, and can be received by others at once
    assert len(letters) == 2500
    assert queue.still_hidden == []
    if counted >= 2500:
        assert queue.receives <= 251, "none came round"


def test_messages_are_hidden_for_as_long_as_reading_them_takes_and_aws_allows() -> None:
    assert hidden_seconds(0) == 30
    assert hidden_seconds(10_000) > 1000
    assert hidden_seconds(10**9) == 43_200


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
    letters = read_all(queue.aws, URL)
    next(letters)
    letters.close()
    assert queue.receives == 1
    assert queue.still_hidden == []
