"""Conditional writes: which answers are final, which are repeated, and for how long."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from runtime.bucket import Bucket
from runtime.deadline import ANSWER_MS, OutOfTimeError
from tests.unit.runtime.fakes import FakeAws, client_error

KEY = "alerts/price/TSLA/1767623400000.json"
UNKNOWN = [
    client_error("S3", "ConditionalRequestConflict", 409),
    client_error("S3", "RequestTimeout", 400),
    client_error("S3", "InternalError", 500),
    client_error("S3", "SlowDown", 503),
    ReadTimeoutError(endpoint_url="http://s3"),
    ConnectionClosedError(endpoint_url="http://s3"),
    EndpointConnectionError(endpoint_url="http://s3"),
]
REFUSED = [
    client_error("S3", "AccessDenied", 403),
    client_error("S3", "NoSuchBucket", 404),
    client_error("S3", "NoSuchKey", 404),  # If-Match, and the object was deleted
]


def bucket(aws: FakeAws) -> Bucket:
    fake: Any = aws
    return Bucket(fake, "b")


def fails(error: Exception, times: int, moment: str = "before") -> Callable[..., None]:
    left = [error] * times

    def hook(now: str, operation: str, parameters: dict[str, Any]) -> None:
        if now == moment and left:
            raise left.pop()

    return hook


@pytest.mark.parametrize("error", UNKNOWN, ids=repr)
def test_requests_of_unknown_outcome_are_repeated(error: Exception) -> None:
    aws = FakeAws()
    deadline = aws.time.deadline()
    aws.hook = fails(error, 4)
    etag = bucket(aws).create(KEY, b"one", {}, deadline)
    assert etag is not None
    aws.hook = fails(error, 4)
    assert bucket(aws).read(KEY, deadline) == (b"one", etag)
    aws.hook = fails(error, 9)
    assert bucket(aws).replace(KEY, b"two", etag, deadline) is not None
    assert aws.objects[KEY][0] == b"two"


@pytest.mark.parametrize("error", UNKNOWN, ids=repr)
def test_a_write_that_arrived_though_its_answer_got_lost_is_not_made_twice(error: Exception) -> None:
    aws = FakeAws(fails(error, 1, moment="after"))
    assert bucket(aws).create(KEY, b"one", {}, aws.time.deadline()) is None
    assert aws.objects[KEY][0] == b"one"


@pytest.mark.parametrize("error", REFUSED, ids=repr)
def test_what_s3_refuses_is_raised_at_once(error: Exception) -> None:
    aws = FakeAws(fails(error, 1))
    with pytest.raises(ClientError) as raised:
        bucket(aws).replace(KEY, b"two", '"etag"', aws.time.deadline())
    assert raised.value is error
    assert aws.time.slept == []


def test_creating_gives_up_after_five_attempts_and_raises_the_last_error() -> None:
    aws = FakeAws(fails(UNKNOWN[3], 5))
    with pytest.raises(ClientError, match="SlowDown"):
        bucket(aws).create(KEY, b"one", {}, aws.time.deadline())


def test_replacing_is_repeated_until_the_deadline_and_not_after_it() -> None:
    aws = FakeAws(fails(UNKNOWN[3], 1_000))
    with pytest.raises(OutOfTimeError):
        bucket(aws).replace(KEY, b"two", '"etag"', aws.time.deadline(ANSWER_MS + 5_000))
    assert sum(aws.time.slept) == pytest.approx(5)


@pytest.mark.parametrize("operation", ["create", "replace", "read"])
def test_nothing_is_sent_after_the_deadline(operation: str) -> None:
    aws = FakeAws()
    deadline = aws.time.deadline()
    deadline.end()
    call: dict[str, Callable[[], Any]] = {
        "create": lambda: bucket(aws).create(KEY, b"", {}, deadline),
        "replace": lambda: bucket(aws).replace(KEY, b"", '"etag"', deadline),
        "read": lambda: bucket(aws).read(KEY, deadline),
    }
    with pytest.raises(OutOfTimeError):
        call[operation]()
    assert aws.calls == []
