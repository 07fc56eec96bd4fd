"""At least one alert per symbol and window, and a second one only if the first is not known to be sent and marked.

A window has a marker in the bucket, `alerts/<SYMBOL>/<WINDOW>.json`, with two states:

    (none) ──create──▶ claimed ──publish to SNS, then overwrite──▶ published
                          │  ▲
                          └──┘ taken over by another, once the claim has expired

A claim expires when Lambda ends the invocation that made it. Its owner sends nothing after its deadline, which is
earlier, so the owner of an expired claim won't publish any more, and another function can take the claim over. A
function that finds an unexpired claim waits briefly for the alert. If there is none by then, the function's own tick
fails and SQS delivers it again.

SNS is called once. If it has certainly not taken the message, the claim is released. If that is unknown (no answer in
time, a closed connection, an error 5xx), the claim is left to expire. In both cases the tick fails.
docs/data-contract.md says when an alert can repeat.
"""

import json
import uuid
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from pipeline.bucket import Bucket
from pipeline.clock import Clock
from pipeline.deadline import Deadline, OutOfTimeError
from pipeline.tick import Tick, iso_utc, to_epoch_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sns import SNSClient

LONGEST_WAIT_SECONDS = 3.0
_SHARE_FOR_WAITING = 0.25
_SHARE_FOR_PUBLISHING = 0.8  # the rest is for the marker, and for storing the batch
_LEAST_PUBLISH_SECONDS = 0.2  # with less, SNS's answer would probably come too late
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.4
_REMEMBERED_WINDOWS = 10_000
# SNS filter policies compare numbers from -10^9 to 10^9 with five decimal places.
# https://docs.aws.amazon.com/sns/latest/dg/numeric-value-matching.html
_LARGEST_FILTERABLE = 1e9


class AlertPendingError(Exception):
    """Another invocation has claimed the window's alert and hasn't published it yet: try again later."""


@dataclass(frozen=True, slots=True)
class _Marker:
    etag: str
    published: bool
    claim_id: str
    expires_at_ms: int


class Alerter:
    """Publishes alerts for one topic.

    `sns` makes a client that tries once, with the given timeout in seconds. Each publish has a client of its own:
    botocore fixes the timeouts of a client, and a connection that was kept through a freeze may be dead, which would
    make the outcome of a single attempt unknown.
    """

    def __init__(
        self,
        bucket: Bucket,
        sns: "Callable[[float], SNSClient]",
        clock: Clock,
        *,
        topic_arn: str,
        threshold: float,
        cooldown_seconds: int,
    ) -> None:
        self._bucket = bucket
        self._sns = sns
        self._clock = clock
        self._topic_arn = topic_arn
        self._threshold = threshold
        self._cooldown_seconds = cooldown_seconds
        self._published: set[str] = set()  # saves a warm function the calls; the markers are the truth

    def ensure(self, key: str, tick: Tick, deadline: Deadline) -> bool:
        """Make sure that the window with the marker `key` has its alert; a new alert is about `tick`.

        True: published by this call. False: there was one. Raises `AlertPendingError`, `OutOfTimeError`, or what boto3
        raises: then it isn't known whether the alert was sent and marked.
        """
        if key in self._published:
            return False
        claim_id = str(uuid.uuid4())
        etag = self._claim(key, tick, claim_id, deadline)
        if etag is not None:
            self._publish_and_mark(key, tick, claim_id, etag, deadline)
        if len(self._published) >= _REMEMBERED_WINDOWS:
            self._published.clear()
        self._published.add(key)
        return etag is not None

    def _claim(self, key: str, tick: Tick, claim_id: str, deadline: Deadline) -> str | None:
        """The ETag of our claim, or None where the alert has been published."""
        waiting_until_ms = self._now_ms() + 1000 * min(
            LONGEST_WAIT_SECONDS, deadline.seconds_left() * _SHARE_FOR_WAITING
        )
        pause = _FIRST_PAUSE_SECONDS
        claim = self._marker(tick, claim_id, state="claimed", expires_at_ms=deadline.invocation_ends_ms)
        etag = self._bucket.create(key, claim, {}, deadline)
        while etag is None:
            found = self._read(key, deadline)
            if found.published:
                return None
            if found.claim_id == claim_id:  # our own attempt, whose answer got lost
                return found.etag
            if found.expires_at_ms <= self._now_ms():
                etag = self._bucket.replace(key, claim, found.etag, deadline)
            elif self._now_ms() >= waiting_until_ms:
                raise AlertPendingError(f"the alert of {key} is claimed by another invocation and not yet published")
            else:
                deadline.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return etag

    def _publish_and_mark(self, key: str, tick: Tick, claim_id: str, etag: str, deadline: Deadline) -> None:
        try:
            sns_message_id = self._publish(key, tick, deadline)
        except Exception as error:
            if _not_sent(error):
                with suppress(OutOfTimeError):
                    self._overwrite(key, etag, self._marker(tick, claim_id, state="claimed", expires_at_ms=0), deadline)
            raise
        published_at = iso_utc(self._clock.now())
        self._overwrite(
            key,
            etag,
            self._marker(tick, claim_id, state="published", sns_message_id=sns_message_id, published_at=published_at),
            deadline,
        )

    def _overwrite(self, key: str, etag: str, marker: bytes, deadline: Deadline) -> None:
        """Overwrite our claim. Raises `OutOfTimeError` if it isn't known whether S3 has done it.

        An unmet condition also ends this: our own attempt has arrived, or somebody has taken the claim over. If S3
        refuses the overwrite, it would refuse a repeat, too: our tick goes on, and the claim expires by itself.
        """
        with suppress(BotoCoreError, ClientError):
            self._bucket.replace(key, marker, etag, deadline)

    def _publish(self, key: str, tick: Tick, deadline: Deadline) -> str:
        """Call SNS once, and return its message id."""
        seconds = deadline.seconds_left() * _SHARE_FOR_PUBLISHING
        if seconds < _LEAST_PUBLISH_SECONDS:
            raise OutOfTimeError("too little time is left to publish an alert")
        with closing(self._sns(seconds)) as sns:
            if deadline.seconds_left() < seconds:  # making the client took too long
                raise OutOfTimeError("too little time is left to publish an alert")
            return sns.publish(
                TopicArn=self._topic_arn,
                Subject=subject(tick, self._threshold),
                Message=json.dumps(
                    {
                        "symbol": tick.symbol,
                        "price": tick.price,
                        "threshold": self._threshold,
                        "volume": tick.volume,
                        "tick_id": tick.tick_id,
                        "timestamp": tick.timestamp,
                        "event_time": iso_utc(tick.event_time),
                        "window": key.rsplit("/", 1)[1].removesuffix(".json"),
                        "cooldown_seconds": self._cooldown_seconds,
                    }
                ),
                MessageAttributes={
                    "symbol": {"DataType": "String", "StringValue": tick.symbol},
                    "price": {"DataType": "Number", "StringValue": _filterable(tick.price)},
                },
            )["MessageId"]

    def _marker(self, tick: Tick, claim_id: str, **state: Any) -> bytes:
        return json.dumps({**state, "tick_id": tick.tick_id, "claim_id": claim_id}).encode()

    def _read(self, key: str, deadline: Deadline) -> _Marker:
        body, etag = self._bucket.read(key, deadline)
        try:
            content = json.loads(body)
            return _Marker(
                etag=etag,
                published=content["state"] == "published",
                claim_id=str(content.get("claim_id", "")),
                expires_at_ms=int(content.get("expires_at_ms", 0)),
            )
        except (ValueError, TypeError, KeyError, AttributeError):  # not written by this code: nobody holds it
            return _Marker(etag, published=False, claim_id="", expires_at_ms=0)

    def _now_ms(self) -> int:
        return to_epoch_ms(self._clock.now())


def _not_sent(error: Exception) -> bool:
    """Whether SNS has certainly not taken the message: we never reached it, or it has refused with an error 4xx.

    An error 5xx doesn't say whether the message was taken before something failed.
    https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
    """
    if isinstance(error, ClientError):
        return 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    return isinstance(error, OutOfTimeError | EndpointConnectionError | ConnectTimeoutError)


def subject(tick: Tick, threshold: float) -> str:
    """`Stock alert: TSLA 1201.33 >= 1200.00`: always printable ASCII and under SNS's 100 characters."""
    return f"Stock alert: {tick.symbol} {_dollars(tick.price)} >= {_dollars(threshold)}"


def _dollars(amount: float) -> str:
    """Two decimal places, or all of them where two would say something else."""
    cents = f"{amount:.2f}"
    return cents if float(cents) == amount and amount < _LARGEST_FILTERABLE else repr(amount)


def _filterable(price: float) -> str:
    return f"{min(price, _LARGEST_FILTERABLE):.5f}".rstrip("0").rstrip(".")
