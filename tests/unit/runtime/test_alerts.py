"""One alert per window: claim, publish, mark, and every way in which that can be interrupted."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from pipeline.contract import CONTRACT, Tick
from pipeline.rules import PRICE, Settings
from runtime.alerts import LONGEST_WAIT_SECONDS, Alerter, AlertPendingError, Marker, marker_key_of
from runtime.clock import Clock, to_epoch_ms
from runtime.deadline import ANSWER_MS, Deadline, OutOfTimeError
from tests.unit.runtime.fakes import FakeAws, FakeTime, bucket, client_error, no_hook

KEY = "alerts/price/TSLA/1767623400000.json"
TICK = Tick("t-1", "TSLA", 1201.33, 100, "2026-01-05T14:30:00.250Z")
REMAINING_MS = 30_000
PUBLISHED = Marker("t-1", "published", "c-1", sns_message_id="sns-1", published_ms=to_epoch_ms(FakeTime().current))
CLAIMED = Marker("t-1", "claimed", "c-1", expires_at_ms=1_767_623_431_000)


class KilledError(BaseException):
    """The function's process ends here."""


StockAlerter = Alerter[Tick, Settings]


def alerter(aws: FakeAws, time: FakeTime) -> StockAlerter:
    return Alerter(CONTRACT, Settings(), bucket(aws), aws.sns, time.clock, topic_arn="arn:topic")


def ensure(an_alerter: StockAlerter, tick: Tick = TICK) -> bool:
    return an_alerter.ensure(PRICE, tick, Deadline(an_alerter.clock, REMAINING_MS))


def marker(aws: FakeAws) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(aws.objects[KEY][0])
    return content


def failing(operation: str, error: BaseException, *, moment: str = "before", times: int = 1) -> Callable[..., None]:
    """A hook that raises `error` at the first `times` calls of `operation`."""
    left = [times]

    def hook(now: str, called: str, parameters: dict[str, Any]) -> None:
        if now == moment and called == operation and left[0]:
            left[0] -= 1
            raise error

    return hook


def test_the_first_breach_is_published_and_marked() -> None:
    aws = FakeAws()
    time = aws.time
    assert ensure(alerter(aws, time)) is True
    assert marker(aws)["state"] == "published"
    assert marker(aws)["sns_message_id"] == "sns-1"
    assert marker(aws)["tick_id"] == "t-1"
    [message] = aws.published
    assert message["TopicArn"] == "arn:topic"
    assert message["Subject"] == "Stock alert: TSLA 1201.33 >= 1200.00"
    assert message["MessageAttributes"] == {
        "rule": {"DataType": "String", "StringValue": "price"},
        "symbol": {"DataType": "String", "StringValue": "TSLA"},
        "price": {"DataType": "Number", "StringValue": "1201.33"},
    }
    assert json.loads(message["Message"]) == {
        "symbol": "TSLA",
        "price": 1201.33,
        "threshold": 1200.0,
        "volume": 100,
        "rule": "price",
        "tick_id": "t-1",
        "timestamp": "2026-01-05T14:30:00.250Z",
        "event_time": "2026-01-05T14:30:00.250Z",
        "window": "1767623400000",
        "cooldown_seconds": 60,
    }


def test_nothing_is_published_when_making_the_client_took_the_time() -> None:
    # given a function that is frozen, or slow, while it makes the client
    aws = FakeAws()

    def slow_client(_seconds: float) -> Any:
        aws.time.sleep(60)
        return aws

    slow = Alerter(CONTRACT, Settings(), bucket(aws), slow_client, aws.time.clock, topic_arn="arn:topic")

    # when it goes on after its deadline
    with pytest.raises(OutOfTimeError):
        ensure(slow)

    # then nothing is sent, and nothing is marked after the claim
    assert aws.published == []
    assert marker(aws)["state"] == "claimed"


def test_a_warm_function_remembers_and_calls_nobody() -> None:
    aws = FakeAws()
    time = aws.time
    warm = alerter(aws, time)
    ensure(warm)
    calls = len(aws.calls)
    assert ensure(warm) is False
    assert len(aws.calls) == calls


def test_another_function_finds_the_window_published() -> None:
    aws = FakeAws()
    time = aws.time
    ensure(alerter(aws, time))
    assert ensure(alerter(aws, time)) is False
    assert len(aws.published) == 1


def test_a_claim_of_a_living_function_is_waited_for_briefly_and_then_left_to_sqs() -> None:
    aws = FakeAws(failing("Publish", KilledError()))
    time = aws.time
    with pytest.raises(KilledError):
        ensure(alerter(aws, time))
    with pytest.raises(AlertPendingError):
        ensure(alerter(aws, time))
    assert 0 < sum(time.slept) <= LONGEST_WAIT_SECONDS + 0.5
    assert aws.published == []


def test_waiting_takes_only_a_share_of_the_time_that_is_left() -> None:
    aws = FakeAws(failing("Publish", KilledError()))
    time = aws.time
    with pytest.raises(KilledError):
        ensure(alerter(aws, time))
    with pytest.raises(AlertPendingError):
        alerter(aws, time).ensure(PRICE, TICK, time.deadline(2_000))
    assert sum(time.slept) < 0.6


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_claim_of_a_function_that_died_is_taken_over_once_it_has_expired(moment: str) -> None:
    aws = FakeAws(failing("Publish", KilledError(), moment=moment))
    time = aws.time
    with pytest.raises(KilledError):
        ensure(alerter(aws, time))
    before = len(aws.published)
    time.sleep(REMAINING_MS / 1000)
    assert ensure(alerter(aws, time), Tick("t-2", "TSLA", 1300, 1, TICK.timestamp)) is True
    assert len(aws.published) == before + 1
    assert marker(aws)["tick_id"] == "t-2"


def test_somebody_who_publishes_while_we_wait_saves_us_the_alert() -> None:
    aws = FakeAws(failing("Publish", KilledError()))
    time = aws.time
    with pytest.raises(KilledError):
        ensure(alerter(aws, time))

    def finish(seconds: float) -> None:
        aws.objects[KEY] = (json.dumps({"state": "published"}).encode(), {})

    waiting = Clock(now=time.now, sleep=finish)
    late = Alerter(CONTRACT, Settings(), bucket(aws), aws.sns, waiting, topic_arn="t")
    assert late.ensure(PRICE, TICK, Deadline(waiting, REMAINING_MS)) is False
    assert aws.published == []


@pytest.mark.parametrize(
    "error",
    [
        client_error("Publish", "Throttled", 429),
        client_error("Publish", "AuthorizationError", 403),
        EndpointConnectionError(endpoint_url="http://sns"),
        ConnectTimeoutError(endpoint_url="http://sns"),
    ],
)
def test_a_message_that_sns_has_not_taken_is_an_error_and_gives_the_claim_back_at_once(error: Exception) -> None:
    aws = FakeAws(failing("Publish", error))
    time = aws.time
    with pytest.raises(type(error)):
        ensure(alerter(aws, time))
    assert ensure(alerter(aws, time)) is True
    assert time.slept == []
    assert len(aws.published) == 1


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="http://sns"),
        ConnectionClosedError(endpoint_url="http://sns"),
        client_error("Publish", "InternalError", 500),
        client_error("Publish", "ServiceUnavailable", 503),
        KeyError("MessageId"),
    ],
)
def test_a_publish_of_unknown_outcome_is_an_error_and_repeated_only_once_the_claim_has_expired(
    error: Exception,
) -> None:
    aws = FakeAws(failing("Publish", error, moment="after"))
    time = aws.time
    with pytest.raises(type(error)):
        ensure(alerter(aws, time))
    assert marker(aws)["state"] == "claimed"
    # When others come before the invocation has ended, they publish nothing
    with pytest.raises(AlertPendingError):
        ensure(alerter(aws, time))
    assert len(aws.published) == 1
    # When one comes after it, the alert repeats: that is the price of never none
    time.sleep(REMAINING_MS / 1000)
    assert ensure(alerter(aws, time)) is True
    assert len(aws.published) == 2


def test_sns_is_asked_once_and_waited_for_with_most_of_the_time_that_is_left() -> None:
    aws = FakeAws()
    time = aws.time

    def slow_claim(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "after" and "IfNoneMatch" in parameters:
            time.sleep(5)

    aws.hook = slow_claim
    ensure(alerter(aws, time))
    left = (REMAINING_MS - ANSWER_MS) / 1000 - 5
    [seconds] = aws.publish_timeouts
    assert 0.7 * left < seconds < left


def test_a_publish_that_could_not_end_in_time_is_not_begun() -> None:
    aws = FakeAws()
    time = aws.time
    with pytest.raises(OutOfTimeError):
        alerter(aws, time).ensure(PRICE, TICK, time.deadline(ANSWER_MS + 100))
    assert aws.published == []
    assert ensure(alerter(aws, time)) is True  # at once: the claim was given back


def test_nothing_is_sent_after_the_deadline() -> None:
    aws = FakeAws()
    with pytest.raises(OutOfTimeError):
        alerter(aws, aws.time).ensure(PRICE, TICK, aws.time.deadline(ANSWER_MS))
    assert aws.calls == []


def test_a_claim_expires_when_lambda_ends_its_invocation() -> None:
    """However late it was made: not that long after it was made."""
    aws = FakeAws(failing("Publish", KilledError()))
    time = aws.time
    deadline = time.deadline(REMAINING_MS)
    time.sleep(7)
    with pytest.raises(KilledError):
        alerter(aws, time).ensure(PRICE, TICK, deadline)
    assert marker(aws)["expires_at_ms"] == to_epoch_ms(time.now()) + REMAINING_MS - 7_000


def test_a_claim_whose_answer_got_lost_is_recognised_as_ours() -> None:
    """A put that timed out is repeated; the repeat is refused, because the first one had arrived."""
    aws = FakeAws(failing("PutObject", ReadTimeoutError(endpoint_url="http://s3"), moment="after"))
    time = aws.time
    assert ensure(alerter(aws, time)) is True
    assert sum(time.slept) < 0.1
    assert marker(aws)["state"] == "published"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_mark_of_a_published_alert_is_repeated_until_s3_has_answered(moment: str) -> None:
    """Also where S3 has written it and the answer got lost: the repeat finds another ETag."""
    aws = FakeAws()
    time = aws.time
    faults = [ReadTimeoutError(endpoint_url="http://s3"), *[client_error("PutObject", "SlowDown", 503)] * 7]

    def hook(now: str, operation: str, parameters: dict[str, Any]) -> None:
        if now == moment and "IfMatch" in parameters and faults:
            raise faults.pop()

    aws.hook = hook
    assert ensure(alerter(aws, time)) is True
    assert marker(aws)["state"] == "published"
    assert ensure(alerter(aws, time)) is False
    assert len(aws.published) == 1


def marks(error: Exception) -> Callable[..., None]:
    def hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "before" and "IfMatch" in parameters:
            raise error

    return hook


def test_an_alert_whose_mark_stays_unknown_is_an_error_and_repeats_once_the_claim_has_expired() -> None:
    aws = FakeAws(marks(client_error("PutObject", "SlowDown", 503)))
    time = aws.time
    with pytest.raises(OutOfTimeError):
        ensure(alerter(aws, time))
    assert sum(time.slept) == pytest.approx((REMAINING_MS - ANSWER_MS) / 1000)
    aws.hook = no_hook
    time.sleep(ANSWER_MS / 1000)
    assert ensure(alerter(aws, time)) is True
    assert len(aws.published) == 2


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NoSuchKey", 404)])
def test_an_alert_whose_mark_is_refused_is_still_sent(code: str, status: int) -> None:
    aws = FakeAws(marks(client_error("PutObject", code, status)))
    time = aws.time
    warm = alerter(aws, time)
    assert ensure(warm) is True
    assert ensure(warm) is False
    assert time.slept == []
    assert len(aws.published) == 1


def test_a_claim_that_s3_refuses_is_an_error_and_nothing_is_published() -> None:
    aws = FakeAws(failing("PutObject", client_error("PutObject", "SlowDown", 503), times=5))
    time = aws.time
    with pytest.raises(ClientError, match="SlowDown"):
        ensure(alerter(aws, time))
    assert aws.published == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"state":"claimed","expires_at_ms":"soon"}', b"\xff"])
def test_a_marker_that_this_code_did_not_write_is_taken_over(content: bytes) -> None:
    aws = FakeAws()
    time = aws.time
    aws.objects[KEY] = (content, {})
    assert ensure(alerter(aws, time)) is True
    assert marker(aws)["state"] == "published"


@pytest.mark.parametrize(("price", "attribute"), [(1200.0, "1200"), (1201.333333, "1201.33333"), (1e300, "1000000000")])
def test_the_price_attribute_stays_within_what_filter_policies_compare(price: float, attribute: str) -> None:
    aws = FakeAws()
    time = aws.time
    ensure(alerter(aws, time), Tick("t", "A", price, 1, TICK.timestamp))
    assert aws.published[0]["MessageAttributes"]["price"]["StringValue"] == attribute


def test_of_two_that_take_an_expired_claim_over_one_publishes() -> None:
    aws = FakeAws(failing("Publish", KilledError()))
    time = aws.time
    with pytest.raises(KilledError):
        ensure(alerter(aws, time))
    time.sleep(REMAINING_MS / 1000)
    rivals = [alerter(aws, time)]

    def rival_is_faster(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "after" and operation == "GetObject" and rivals:
            assert ensure(rivals.pop()) is True

    aws.hook = rival_is_faster
    assert ensure(alerter(aws, time)) is False
    assert len(aws.published) == 1


@pytest.mark.parametrize("marker", [CLAIMED, PUBLISHED], ids=lambda marker: marker.state)
def test_a_marker_is_read_as_it_was_written(marker: Marker) -> None:
    assert Marker.decode(marker.encode("tick_id"), "tick_id") == marker
    assert marker.is_published is (marker is PUBLISHED)


def test_a_marker_names_the_record_as_the_contract_does() -> None:
    assert json.loads(PUBLISHED.encode("tick_id")) == {
        "state": "published",
        "tick_id": "t-1",
        "claim_id": "c-1",
        "sns_message_id": "sns-1",
        "published_at": "2026-01-05T14:30:01.000Z",
    }
    assert json.loads(CLAIMED.encode("reading_id")) == {
        "state": "claimed",
        "reading_id": "t-1",
        "claim_id": "c-1",
        "expires_at_ms": 1_767_623_431_000,
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"state":"claimed","expires_at_ms":"soon"}'],
    ids=lambda content: repr(content[:40]),
)
def test_what_is_no_marker_has_no_state(content: bytes) -> None:
    assert Marker.decode(content, "tick_id") == Marker()


@pytest.mark.parametrize("published_at", ['"yesterday"', "7", "[]", '"2026-01-05"', "null"])
def test_a_marker_whose_time_cannot_be_read_is_still_published(published_at: str) -> None:
    marker = Marker.decode(f'{{"state":"published","published_at":{published_at}}}'.encode(), "tick_id")

    assert marker == Marker(state="published")


@pytest.mark.parametrize("cooldown_seconds", [0, 60])
def test_a_message_says_which_marker_belongs_to_it(cooldown_seconds: int) -> None:
    aws = FakeAws()
    told = Settings(alert_cooldown_seconds=cooldown_seconds)
    ensure(Alerter(CONTRACT, told, bucket(aws), aws.sns, aws.time.clock, topic_arn="t"))

    [message] = aws.published

    assert [marker_key_of(CONTRACT, json.loads(message["Message"]))] == aws.keys("alerts/")


@pytest.mark.parametrize("missing", ["rule", "window", "symbol"])
@pytest.mark.parametrize("changed", [{}, None, 7], ids=["missing", "null", "a number"])
def test_a_message_that_does_not_say_its_window_has_no_marker(missing: str, changed: Any) -> None:
    message: dict[str, Any] = {"rule": "price", "symbol": "TSLA", "window": "1767623400000"}
    assert marker_key_of(CONTRACT, message) == KEY

    del message[missing]

    assert marker_key_of(CONTRACT, message if changed == {} else {**message, missing: changed}) is None
