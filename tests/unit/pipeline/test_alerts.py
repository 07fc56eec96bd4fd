"""One alert per window: claim, publish, mark, and every way in which that can be interrupted."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from pipeline.alerts import LONGEST_WAIT_SECONDS, Alerter, AlertPendingError, subject
from pipeline.bucket import Bucket
from pipeline.tick import Tick
from tests.unit.pipeline.fakes import FakeAws, FakeTime, client_error

KEY = "alerts/TSLA/1767623400000.json"
TICK = Tick("t-1", "TSLA", 1201.33, 100, "2026-01-05T14:30:00.250Z")
REMAINING_MS = 30_000


class KilledError(BaseException):
    """The function's process ends here."""


def alerter(aws: FakeAws, time: FakeTime, threshold: float = 1200.0) -> Alerter:
    fake: Any = aws
    return Alerter(
        Bucket(fake, time.clock, "b"), fake, time.clock, topic_arn="arn:topic", threshold=threshold, cooldown_seconds=60
    )


def ensure(an_alerter: Alerter, tick: Tick = TICK) -> bool:
    return an_alerter.ensure(KEY, tick, lambda: REMAINING_MS)


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
        "symbol": {"DataType": "String", "StringValue": "TSLA"},
        "price": {"DataType": "Number", "StringValue": "1201.33"},
    }
    assert json.loads(message["Message"]) == {
        "symbol": "TSLA",
        "price": 1201.33,
        "threshold": 1200.0,
        "volume": 100,
        "tick_id": "t-1",
        "timestamp": "2026-01-05T14:30:00.250Z",
        "event_time": "2026-01-05T14:30:00.250Z",
        "window": "1767623400000",
        "cooldown_seconds": 60,
    }


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
        alerter(aws, time).ensure(KEY, TICK, lambda: 1_000)
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

    fake: Any = aws
    waiting = type(time.clock)(time.now, finish)
    late = Alerter(Bucket(fake, waiting, "b"), fake, waiting, topic_arn="t", threshold=1.0, cooldown_seconds=60)
    assert late.ensure(KEY, TICK, lambda: REMAINING_MS) is False
    assert aws.published == []


@pytest.mark.parametrize(
    "error", [client_error("Publish", "Throttled", 429), ReadTimeoutError(endpoint_url="http://sns")]
)
def test_a_refused_publish_is_an_error_and_gives_the_claim_back_at_once(error: Exception) -> None:
    aws = FakeAws(failing("Publish", error))
    time = aws.time
    with pytest.raises(type(error)):
        ensure(alerter(aws, time))
    assert ensure(alerter(aws, time)) is True
    assert time.slept == []
    assert len(aws.published) == 1


def test_a_claim_whose_answer_got_lost_is_recognised_as_ours() -> None:
    """botocore repeats a put that timed out; the repeat is refused, because the first one had arrived."""
    aws = FakeAws()
    time = aws.time
    aws.hook = failing("PutObject", client_error("PutObject", "PreconditionFailed", 412), moment="after")
    assert ensure(alerter(aws, time)) is True
    assert time.slept == []
    assert marker(aws)["state"] == "published"


def test_an_alert_that_was_sent_but_could_not_be_marked_is_still_sent() -> None:
    aws = FakeAws()
    time = aws.time

    def hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if "IfMatch" in parameters:
            raise client_error("PutObject", "SlowDown", 503)

    aws.hook = hook
    warm = alerter(aws, time)
    assert ensure(warm) is True
    assert ensure(warm) is False
    assert len(aws.published) == 1


def test_a_claim_that_s3_refuses_is_an_error_and_nothing_is_published() -> None:
    aws = FakeAws(failing("PutObject", client_error("PutObject", "SlowDown", 503)))
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


@pytest.mark.parametrize(
    ("price", "threshold", "text"),
    [
        (1200.0, 1200.0, "1200.00 >= 1200.00"),
        (1201.333, 1200.0, "1201.333 >= 1200.00"),
        (1e300, 0.00001, "1e+300 >= 1e-05"),
        (5e-324, 5e-324, "5e-324 >= 5e-324"),
    ],
)
def test_the_subject_says_the_exact_price_in_few_characters(price: float, threshold: float, text: str) -> None:
    line = subject(Tick("t", "A234567890", price, 1, TICK.timestamp), threshold)
    assert line == f"Stock alert: A234567890 {text}"
    assert len(line) <= 100
    assert line.isascii()


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
