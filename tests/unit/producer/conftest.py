"""A clock that costs no time and an SQS that does as it is told."""

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from profiles.names import Names
from profiles.session import Profile
from tests.support.environments import stock_names

NAMES = stock_names("000000000000")
PROFILE = Profile("local", "http://localhost:4566")


class FakeClock:
    """Waiting moves it on at once."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._lock = threading.Lock()
        self.waits: list[float] = []

    def monotonic(self) -> float:
        with self._lock:
            return self._now

    def wait(self, stop: threading.Event, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            if not stop.is_set():
                self._now += seconds

    def pass_by(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


class FakeSqs:
    """Keeps what it accepts, and when. `answer(tick_id, nth attempt)` decides: None, or the failure of that entry."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.created = 1_767_623_400  # 2026-01-05T14:30:00Z
        self.calls: list[list[str]] = []
        self.bodies: list[str] = []
        self.accepted: list[tuple[str, float]] = []
        self.attempts: dict[str, int] = {}
        self.answer: Callable[[str, int], dict[str, Any] | None] = lambda _id, _attempt: None
        self.before_call: Callable[[int], None] = lambda _number: None

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        return {"QueueUrl": f"http://localhost/{QueueName}"}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        return {"Attributes": {"CreatedTimestamp": str(self.created)}}

    def send_message_batch(self, *, Entries: list[dict[str, str]], **_: str) -> dict[str, Any]:  # noqa: N803
        with self._lock:
            self.calls.append([json.loads(entry["MessageBody"])["tick_id"] for entry in Entries])
            number = len(self.calls)
        self.before_call(number)
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        with self._lock:
            for entry in Entries:
                self.bodies.append(entry["MessageBody"])
                tick_id = json.loads(entry["MessageBody"])["tick_id"]
                self.attempts[tick_id] = self.attempts.get(tick_id, 0) + 1
                failure = self.answer(tick_id, self.attempts[tick_id])
                if failure:
                    answer["Failed"].append({"Id": entry["Id"], **failure})
                else:
                    self.accepted.append((tick_id, self._clock.monotonic()))
                    md5 = hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest()
                    answer["Successful"].append(
                        {"Id": entry["Id"], "MessageId": f"m-{tick_id}", "MD5OfMessageBody": md5}
                    )
        return answer

    @property
    def accepted_ids(self) -> list[str]:
        return [tick_id for tick_id, _ in self.accepted]


def refusal(code: str, status: int) -> ClientError:
    """An AWS error as botocore raises it."""
    response: Any = {"Error": {"Code": code, "Message": "as told"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "SendMessageBatch")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sqs(clock: FakeClock) -> FakeSqs:
    return FakeSqs(clock)


@pytest.fixture
def aws(sqs: FakeSqs) -> Any:
    return SimpleNamespace(sqs=sqs, profile=PROFILE, own_client=lambda *_, **__: sqs)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path / "state"))
    return NAMES


@pytest.fixture
def aws_error() -> Callable[[str, int], ClientError]:
    return refusal
