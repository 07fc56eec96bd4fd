"""Alerts: what every subscriber of the topic was sent, and whether an alert was sent for each window.

The inbox is subscribed to the topic like any other subscriber, so it shows what subscribers got. Alert markers only
explain why an alert is not there: the function writes them, and they are correct even if nothing was delivered.
"""

import http.client
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from operations import records
from operations.queues import PEEK_LIMIT, browse, depth, peek, sent_ms
from profiles.environment import Environment, queue_url
from profiles.session import Aws
from runtime.alerts import Marker, marker_key_of
from runtime.clock import from_epoch_ms
from runtime.contract import Contract

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

INBOX_LIMIT = 20_000  # messages: looking at so many takes a minute or so
# Another reader of the inbox gives messages back within this time.
_PATIENCE_SECONDS = 7
# LocalStack keeps what it would have mailed: https://docs.localstack.cloud/aws/services/ses/
_SENT_PATH = "/_aws/ses"
_EMAILS_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One message of the topic. `fields` is its JSON body; empty where the body is something else, kept in `body`.

    `record_id`: the record that it is about; empty if that is not known.
    """

    message_id: str
    subject: str
    body: str
    fields: dict[str, Any]
    sent_ms: int
    record_id: str = ""


@dataclass(frozen=True)
class Unseen:
    """A window whose alert is not in the inbox, by the key of its marker, and what is known about that."""

    window: str
    why: str


@dataclass(frozen=True)
class Repeated:
    """A window that subscribers were alerted about more than once, by the key of its marker."""

    window: str
    alerts: int


@dataclass(frozen=True)
class Alerts:
    """What subscribers got. `seen`: windows with at least one alert in the inbox.

    `missing`: windows without one. `unknown`: windows without one, if the inbox can't show whether it was sent.
    """

    seen: int = 0
    missing: tuple[Unseen, ...] = ()
    unknown: tuple[Unseen, ...] = ()
    repeated: tuple[Repeated, ...] = ()


@dataclass(frozen=True, slots=True)
class Email:
    """One mail as an emulator recorded it. `sent_at`: ISO 8601 UTC, in seconds."""

    message_id: str
    to: tuple[str, ...]
    subject: str
    body: str
    sent_at: str


@dataclass(frozen=True, slots=True)
class _Inbox:
    """What was found in the inbox: the number of alerts of each window, by the key of its marker.

    `seen`: messages that were read; `unseen`: additional messages that SQS counts, approximately.
    """

    name: str
    alerts: Counter[str]
    seen: int
    unseen: int
    keeps: timedelta


def peek_inbox(environment: Environment, *, limit: int = PEEK_LIMIT) -> list[Alert]:
    """Up to `limit` alerts in the inbox queue, oldest first; none is consumed."""
    url = queue_url(environment, environment.names.inbox_queue)
    return [read_alert(environment.contract, message) for message in peek(environment.aws, url, limit=limit)]


def read_alert(contract: Contract[Any], message: "MessageTypeDef") -> Alert:
    """An inbox message: SNS's envelope around the alert, or the alert itself where delivery is raw.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """
    envelope = _object(message["Body"])
    text = str(envelope["Message"]) if "Message" in envelope and "TopicArn" in envelope else message["Body"]
    fields = _object(text)
    return Alert(
        message_id=str(envelope.get("MessageId", message["MessageId"])),
        subject=str(envelope.get("Subject") or "(no subject)"),
        body=text,
        fields=fields,
        sent_ms=sent_ms(message),
        record_id=str(fields.get(contract.record.ID, "")),
    )


def read_markers(environment: Environment, keys: Iterable[str]) -> Iterator[tuple[str, Marker]]:
    """For each key its alert marker; one without a state if there is none, or if it is not a marker."""

    def read(key: str) -> Marker:
        opened = records.open_object(environment, key)
        line = next(opened[1], b"") if opened else b""
        return Marker.decode(line, environment.contract.record.ID)

    return records.side_by_side(read, keys)


def look_for_alerts(
    environment: Environment, windows: Collection[str], *, wait: Callable[[float], None] | None = None
) -> Alerts:
    """Look for the alerts of windows, each known by its marker's key.

    `wait`: how to wait for messages that another reader of the inbox has at the moment; None: don't wait.
    """
    if not windows:
        return Alerts()
    inbox = _count_alerts(environment, windows)
    tries = _PATIENCE_SECONDS
    while wait and tries and inbox.unseen and inbox.seen < INBOX_LIMIT and len(inbox.alerts) < len(windows):
        wait(1.0)
        tries -= 1
        inbox = _count_alerts(environment, windows)
    missing: list[Unseen] = []
    unknown: list[Unseen] = []
    for window, marker in read_markers(environment, sorted(set(windows) - set(inbox.alerts))):
        why, is_known = _explain(marker, inbox, datetime.now(UTC))
        (missing if is_known else unknown).append(Unseen(window, why))
    repeated = (Repeated(window, count) for window, count in sorted(inbox.alerts.items()) if count > 1)
    return Alerts(len(inbox.alerts), tuple(missing), tuple(unknown), tuple(repeated))


def recorded_emails(aws: Aws, addresses: frozenset[str]) -> list[Email] | None:
    """What an emulator says that it has mailed to these addresses, oldest first.

    None where the endpoint keeps no record (AWS, ministack).
    """
    if aws.profile.endpoint_url is None:
        return None
    try:
        # No proxy: the endpoint is on this machine.
        with build_opener(ProxyHandler({})).open(
            aws.profile.endpoint_url + _SENT_PATH, timeout=_EMAILS_SECONDS
        ) as answer:
            document = json.loads(answer.read())
        found = [
            Email(
                message_id=str(message["Id"]),
                to=tuple(message["Destination"]["ToAddresses"]),
                subject=str(message["Subject"]),
                body=str(message["Body"]["text_part"]),
                sent_at=str(message["Timestamp"]),
            )
            for message in document["messages"]
        ]
    except (URLError, OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    return [email for email in found if addresses.intersection(email.to)]


def _count_alerts(environment: Environment, windows: Collection[str]) -> _Inbox:
    """Count the alerts of some windows, each by its marker's key. None is consumed."""
    aws, name = environment.aws, environment.names.inbox_queue
    url = queue_url(environment, name)
    attributes = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MessageRetentionPeriod"])["Attributes"]
    counted = depth(aws, url).total
    alerts: Counter[str] = Counter()
    seen = 0
    with closing(browse(aws, url, limit=INBOX_LIMIT, thorough=True)) as messages:
        for seen, message in enumerate(messages, start=1):
            key = marker_key_of(environment.contract, read_alert(environment.contract, message).fields)
            if key is not None and key in windows:
                alerts[key] += 1
            if seen >= counted and len(alerts) == len(windows):
                break
    keeps = timedelta(seconds=int(attributes["MessageRetentionPeriod"]))
    return _Inbox(name, alerts, seen, max(0, counted - seen), keeps)


def _explain(marker: Marker, inbox: _Inbox, now: datetime) -> tuple[str, bool]:
    """Why a window's alert is not in the inbox, and whether it counts as missing; otherwise it is unknown."""
    published = None if marker.published_ms is None else from_epoch_ms(marker.published_ms)
    said = f"its marker says {marker.state[:40]}" if marker.state else "it has no marker"
    if marker.is_published:
        at = published.isoformat(timespec="seconds") if published else "an unknown time"
        said = f"SNS accepted it as message {marker.sns_message_id[:40] or '?'} at {at}"
    if inbox.unseen:
        return f"{said}; about {inbox.unseen:,} messages of {inbox.name} could not be seen", False
    if not marker.is_published:
        return f"{said}, and it is not in {inbox.name}", True
    if published and published < now - inbox.keeps:
        return f"{said}; {inbox.name} keeps messages for {inbox.keeps.days} days", False
    return (
        f"{said}, but it is not in {inbox.name}: it was not delivered, or it was purged or consumed since. "
        "stockpipe can't tell which",
        True,
    )


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
