"""When the console reads, and what it makes of failures."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from console.calls import CallCounter
from console.model import Model, Update
from console.refresher import HIDDEN_SECONDS, QUIET_AFTER_SECONDS, QUIET_SECONDS, Refresher, explain
from operations.queues import Depth
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.session import Aws, Profile
from runtime.clock import Clock
from tests.support.coroutines import run
from tests.support.environments import at, stock_names

EMULATOR = Profile("local", "http://localhost:4566")
AWS = Profile("prod", None)
NAMES = stock_names("000000000000", "alice")


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=self.seconds)


class Endpoint:
    """Sources whose answers the test sets."""

    def __init__(self, environment: Environment, clock: Clock) -> None:
        self.environment, self.clock = environment, clock
        self.queue = Depth()
        self.failure: Exception | None = None

    def read(self) -> Iterator[Update]:
        if self.failure:
            raise self.failure
        yield partial(Model.put, queue=self.queue, dead=Depth(), inbox=Depth())

    def hurry(self) -> None:
        """Nothing is ever due."""


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def endpoint(time: Time) -> Endpoint:
    return Endpoint(at(Aws(EMULATOR, boto3.Session()), NAMES), Clock(time.now, time.monotonic))


@pytest.fixture
def refresher(endpoint: Endpoint) -> Refresher:
    return Refresher(endpoint, interval=2.0)  # type: ignore[arg-type]


def refresh(refresher: Refresher) -> None:
    run(refresher.refresh())


def test_it_reads_less_the_less_is_going_on(refresher: Refresher, endpoint: Endpoint, time: Time) -> None:
    assert refresher.pace() is None, "no tab"

    refresher.see("a", visible=True)
    refresh(refresher)
    assert refresher.pace() == 2.0

    time.seconds += QUIET_AFTER_SECONDS + 1
    refresh(refresher)
    assert refresher.pace() == QUIET_SECONDS

    endpoint.queue = Depth(waiting=1)
    refresh(refresher)
    assert refresher.pace() == 2.0, "something moved"

    refresher.see("a", visible=False)
    assert refresher.pace() == HIDDEN_SECONDS
    refresher.lose("a")
    assert refresher.pace() is None


def test_a_failure_keeps_what_was_known_and_an_answer_clears_it(refresher: Refresher, endpoint: Endpoint) -> None:
    # given figures
    endpoint.queue = Depth(waiting=7)
    refresh(refresher)

    # when nothing answers
    endpoint.failure = EndpointConnectionError(endpoint_url="http://localhost:4566")
    refresh(refresher)

    # then they stay, with the trouble; and it is tried again at the quick pace
    assert refresher.model.queue == Depth(waiting=7)
    assert refresher.model.trouble is not None
    assert "Nothing answers at http://localhost:4566" in refresher.model.trouble.text
    refresher.see("a", visible=True)
    assert refresher.pace() == 2.0

    # when it answers again
    endpoint.failure = None
    refresh(refresher)
    assert refresher.model.trouble is None


def test_what_was_read_before_a_failure_counts(refresher: Refresher, endpoint: Endpoint) -> None:
    def read() -> Iterator[Update]:
        yield partial(Model.put, queue=Depth(waiting=3))
        raise CannotRunError("there is no bucket")

    endpoint.read = read  # type: ignore[method-assign]
    refresh(refresher)

    assert refresher.model.queue == Depth(waiting=3)
    assert refresher.model.trouble is not None
    assert refresher.model.trouble.text == "there is no bucket"


def test_what_nobody_foresaw_is_shown_and_does_not_end_the_loop(
    refresher: Refresher, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    async def look_until(is_well: bool) -> None:
        while (refresher.model.trouble is None) != is_well:
            refresher.hurry()
            await asyncio.sleep(0)

    async def fail_and_recover() -> None:
        refresher.see("a", visible=True)
        loop = asyncio.create_task(refresher.run())
        endpoint.failure = KeyError("an answer of another shape")
        await asyncio.wait_for(look_until(is_well=False), 10)
        assert refresher.model.trouble is not None
        assert "another shape" in refresher.model.trouble.text
        endpoint.failure = None
        await asyncio.wait_for(look_until(is_well=True), 10)
        loop.cancel()

    run(fail_and_recover())
    assert "could not refresh" in caplog.text


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


@pytest.mark.parametrize(
    ("error", "profile", "text", "advice"),
    [
        (EndpointConnectionError(endpoint_url="x"), EMULATOR, "Nothing answers", "stockpipe emulator start"),
        (EndpointConnectionError(endpoint_url="x"), AWS, "Nothing answers at AWS", "network"),
        (refused("NoSuchBucket"), AWS, "missing", "stockpipe up --profile prod --prefix alice"),
        (refused("QueueDoesNotExist"), EMULATOR, "missing", "stockpipe up --prefix alice"),
        (refused("ExpiredToken"), AWS, "credentials of profile prod", "aws sso login"),
        (refused("AccessDenied"), AWS, "AWS refused", ""),
        (CannotRunError("there is no queue"), EMULATOR, "there is no queue", ""),
    ],
)
def test_every_failure_says_what_to_do(error: Exception, profile: Profile, text: str, advice: str) -> None:
    said, to_do = explain(error, at(Aws(profile, boto3.Session()), NAMES))

    assert text in said
    assert advice in to_do


def test_calls_are_counted_and_priced_per_hour(time: Time) -> None:
    counter = CallCounter(time.monotonic)
    for _ in range(30):
        time.seconds += 10
        counter.count("sqs", "GetQueueAttributes")
        counter.count("s3", "ListObjectsV2")
        counter.count("lambda", "GetFunctionConfiguration")

    spending = counter.spending()
    assert spending.total == 90
    assert spending.calls_per_hour == pytest.approx(3 * 360)
    assert spending.dollars_per_hour == pytest.approx(360 * (0.40 + 5.00) / 1e6)

    time.seconds += 3600
    assert counter.spending().calls_per_hour == 0
