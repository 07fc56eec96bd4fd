"""Alert rules, and at least one alert per rule, group and window.

A window gets a second alert only if it is not known that the first was sent and marked.

A window has a marker in the bucket, `alerts/<rule>/<group>/<WINDOW>.json`, with two states:

    (none) ──create──▶ claimed ──publish to SNS, then overwrite──▶ published
                          │  ▲
                          └──┘ taken over by another, once the claim has expired

A claim expires when Lambda ends the invocation that made it. Its owner sends nothing after its deadline, which is
earlier, so the owner of an expired claim won't publish any more, and another function can take the claim over. A
function that finds an unexpired claim waits briefly for the alert. If there is none by then, the function's own record
fails and SQS delivers it again.

SNS is called once. If it has certainly not taken the message, the claim is released. If that is unknown (no answer in
time, a closed connection, an error 5xx), the claim is left to expire. In both cases the record fails.
docs/data-contract.md says when an alert can repeat.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from runtime.bucket import Bucket
from runtime.clock import Clock, from_epoch_ms, iso_utc, to_epoch_ms
from runtime.contract import ALERTS_PREFIX, Contract, R, group_of_values
from runtime.deadline import Deadline, OutOfTimeError
from runtime.fields import values_of
from runtime.settings import S

if TYPE_CHECKING:
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
LARGEST_FILTERABLE = 1e9


@dataclass(frozen=True)
class Rule(Generic[R, S]):
    """When records are alerted, and how. `name` is part of the marker's key.

    `applies` is the condition. `subject` is the SNS subject: printable ASCII, at most 100 characters. `details` are
    more fields of the message, for example the threshold. A window is `alert_cooldown_seconds` of event time.
    `limit`, for a rule on the contract's `charted` field, is the value from which on it applies; charts draw it as a
    line. None: it applies to no value.
    """

    name: str
    applies: Callable[[R, S], bool]
    subject: Callable[[R, S], str]
    details: Callable[[R, S], Mapping[str, Any]] = lambda _record, _settings: {}
    limit: Callable[[S], float | None] = lambda _settings: None


class AlertPendingError(Exception):
    """Another invocation has claimed the window's alert and hasn't published it yet: try again later."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker says. `expires_at_ms`: when a claim expires, milliseconds since 1970.

    `sns_message_id` and `published_ms` (milliseconds since 1970) are known once it is published.
    """

    record_id: str = ""
    state: str = ""
    claim_id: str = ""
    expires_at_ms: int = 0
    sns_message_id: str = ""
    published_ms: int | None = None

    @property
    def is_published(self) -> bool:
        """Whether the alert was sent."""
        return self.state == "published"

    def encode(self, id_field: str) -> bytes:
        """The marker's object, with what is known in this state."""
        known: dict[str, Any] = {"state": self.state}
        if self.published_ms is None:
            known["expires_at_ms"] = self.expires_at_ms
        else:
            known |= {"sns_message_id": self.sns_message_id, "published_at": iso_utc(from_epoch_ms(self.published_ms))}
        return json.dumps({**known, id_field: self.record_id, "claim_id": self.claim_id}).encode()

    @classmethod
    def decode(cls, body: bytes, id_field: str) -> "Marker":
        """Read a marker. Anything that this code didn't write is a marker without a state: nobody holds it."""
        try:
            found = json.loads(body)
            return cls(
                record_id=str(found.get(id_field, "")),
                state=str(found["state"]),
                claim_id=str(found.get("claim_id", "")),
                expires_at_ms=int(found.get("expires_at_ms", 0)),
                sns_message_id=str(found.get("sns_message_id", "")),
                published_ms=_ms(found.get("published_at")),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            return cls()


def message_of(rule: Rule[R, S], record: R, settings: S, window: str) -> dict[str, Any]:
    """The fields of an alert's message, in JSON. `marker_key_of` reads the marker's key back."""
    return {
        **values_of(record),
        **rule.details(record, settings),
        "rule": rule.name,
        "event_time": iso_utc(record.event_time),
        "window": window,
        "cooldown_seconds": settings.alert_cooldown_seconds,
    }


def marker_key_of(contract: Contract[R], message: Mapping[str, Any]) -> str | None:
    """The key of the marker of the window that a message alerts about; None if the message doesn't say it."""
    rule, window, group = message.get("rule"), message.get("window"), group_of_values(contract.record, message)
    if not isinstance(rule, str) or not isinstance(window, str) or group is None:
        return None
    return f"{ALERTS_PREFIX}{rule}/{group}/{window}.json"


@dataclass(frozen=True)
class Alerter(Generic[R, S]):
    """Publishes alerts for one topic.

    `sns` makes a client that tries once, with the given timeout in seconds. Each publish has a client of its own:
    botocore fixes the timeouts of a client, and a connection that was kept through a freeze may be dead, which would
    make the outcome of a single attempt unknown.
    """

    contract: Contract[R]
    settings: S
    bucket: Bucket
    sns: "Callable[[float], SNSClient]"
    clock: Clock
    topic_arn: str
    _published: set[str] = field(default_factory=set, init=False)  # saves a warm function calls; the markers decide

    def key(self, rule: Rule[R, S], record: R) -> str:
        """The key of the marker of the record's window."""
        return self.contract.alert_key(rule.name, record, self.settings.alert_cooldown_seconds)

    def ensure(self, rule: Rule[R, S], record: R, deadline: Deadline) -> bool:
        """Make sure that the record's window has its alert; a new alert is about `record`.

        True: published by this call. False: there was one. Raises `AlertPendingError`, `OutOfTimeError`, or what boto3
        raises: then it isn't known whether the alert was sent and marked.
        """
        key = self.key(rule, record)
        if key in self._published:
            return False
        claim = Marker(record.id, "claimed", str(uuid.uuid4()), deadline.invocation_ends_ms)
        etag = self._claim(key, claim, deadline)
        if etag is not None:
            try:
                sns_message_id = self._publish(rule, key, record, deadline)
            except Exception as error:
                if _not_sent(error):
                    with suppress(OutOfTimeError):
                        self._overwrite(key, etag, replace(claim, expires_at_ms=0), deadline)
                raise
            published_ms = self.clock.now_ms()
            published = replace(claim, state="published", sns_message_id=sns_message_id, published_ms=published_ms)
            self._overwrite(key, etag, published, deadline)
        if len(self._published) >= _REMEMBERED_WINDOWS:
            self._published.clear()
        self._published.add(key)
        return etag is not None

    def _claim(self, key: str, claim: Marker, deadline: Deadline) -> str | None:
        """The ETag of our claim, or None where the alert has been published."""
        waiting_until_ms = self.clock.now_ms() + 1000 * min(
            LONGEST_WAIT_SECONDS, deadline.seconds_left() * _SHARE_FOR_WAITING
        )
        pause = _FIRST_PAUSE_SECONDS
        etag = self.bucket.create(key, self._encode(claim), {}, deadline)
        while etag is None:
            body, found_etag = self.bucket.read(key, deadline)
            found = Marker.decode(body, self.contract.record.ID)
            if found.is_published:
                return None
            if found.claim_id == claim.claim_id:  # our own attempt, whose answer got lost
                return found_etag
            if found.expires_at_ms <= self.clock.now_ms():
                etag = self.bucket.replace(key, self._encode(claim), found_etag, deadline)
            elif self.clock.now_ms() >= waiting_until_ms:
                raise AlertPendingError(f"the alert of {key} is claimed by another invocation and not yet published")
            else:
                deadline.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return etag

    def _overwrite(self, key: str, etag: str, marker: Marker, deadline: Deadline) -> None:
        """Overwrite our claim. Raises `OutOfTimeError` if it isn't known whether S3 has done it.

        An unmet condition also ends this: our own attempt has arrived, or another function has taken over the claim.
        If S3 refuses the overwrite, it would also refuse a repeat: our record is stored, and the claim expires.
        """
        with suppress(BotoCoreError, ClientError):
            self.bucket.replace(key, self._encode(marker), etag, deadline)

    def _publish(self, rule: Rule[R, S], key: str, record: R, deadline: Deadline) -> str:
        """Call SNS once, and return its message id."""
        seconds = deadline.seconds_left() * _SHARE_FOR_PUBLISHING
        if seconds < _LEAST_PUBLISH_SECONDS:
            raise OutOfTimeError("too little time is left to publish an alert")
        window = key.rsplit("/", 1)[1].removesuffix(".json")
        with closing(self.sns(seconds)) as sns:
            if deadline.seconds_left() < seconds:  # making the client took too long
                raise OutOfTimeError("too little time is left to publish an alert")
            return sns.publish(
                TopicArn=self.topic_arn,
                Subject=rule.subject(record, self.settings),
                Message=json.dumps(message_of(rule, record, self.settings, window)),
                MessageAttributes={
                    "rule": _attribute(rule.name),
                    **{
                        one.name: _attribute(getattr(record, one.name))
                        for one in self.contract.fields
                        if one.filterable
                    },
                },
            )["MessageId"]

    def _encode(self, marker: Marker) -> bytes:
        return marker.encode(self.contract.record.ID)


def _not_sent(error: Exception) -> bool:
    """Whether SNS has certainly not taken the message: we never reached it, or it has refused with an error 4xx.

    An error 5xx doesn't say whether the message was taken before something failed.
    https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
    """
    if isinstance(error, ClientError):
        return 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    return isinstance(error, OutOfTimeError | EndpointConnectionError | ConnectTimeoutError)


def _attribute(value: Any) -> Any:
    """A value as SNS filter policies read it."""
    if isinstance(value, str):
        return {"DataType": "String", "StringValue": value}
    limited = max(-LARGEST_FILTERABLE, min(value, LARGEST_FILTERABLE))
    return {"DataType": "Number", "StringValue": f"{limited:.5f}".rstrip("0").rstrip(".")}


def _ms(text: object) -> int | None:
    try:
        return to_epoch_ms(datetime.fromisoformat(str(text))) if text else None
    except (ValueError, TypeError):
        return None
