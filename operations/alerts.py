"""The alerts in the inbox: what every subscriber of the topic was sent."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.tick import ALERTS_PREFIX

from operations.queues import PEEK_LIMIT, browse, depth, peek, sent_ms
from profiles.environment import Environment, queue_url

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef


INBOX_LIMIT = 20_000  # messages: looking at so many takes a minute or so


@dataclass(frozen=True, slots=True)
class Alert:
    """One message of the topic. `fields` is its JSON body; empty where the body is something else, kept in `body`."""

    message_id: str
    subject: str
    body: str
    fields: dict[str, Any]
    sent_ms: int

    @property
    def symbol(self) -> str:
        """The symbol that breached, or nothing."""
        return str(self.fields.get("symbol", ""))

    @property
    def marker_key(self) -> str | None:
        """The key of the marker of the window that was alerted; None if the message does not have it."""
        symbol, window = self.fields.get("symbol"), self.fields.get("window")
        if not isinstance(symbol, str) or not isinstance(window, str):
            return None
        return f"{ALERTS_PREFIX}{symbol}/{window}.json"

    @property
    def tick_id(self) -> str:
        """The tick that breached, or nothing."""
        return str(self.fields.get("tick_id", ""))


def peek_inbox(environment: Environment, *, limit: int = PEEK_LIMIT) -> list[Alert]:
    """Up to `limit` alerts in the inbox queue, oldest first; none is consumed."""
    return [
        read_alert(message)
        for message in peek(environment.aws, queue_url(environment, environment.names.inbox_queue), limit=limit)
    ]


@dataclass(frozen=True, slots=True)
class Inbox:
    """What was found in the inbox: the number of alerts of each window, by the key of its marker.

    `seen`: messages that were read; `unseen`: additional messages that SQS counts, approximately; `keeps_seconds`: how
    long the inbox keeps a message.
    """

    alerts: Mapping[str, int]
    seen: int
    unseen: int
    keeps_seconds: int


def count_alerts(environment: Environment, windows: Collection[str], *, limit: int = INBOX_LIMIT) -> Inbox:
    """Count the alerts of some windows, each by its marker's key. None is consumed; at most `limit` are looked at."""
    url = queue_url(environment, environment.names.inbox_queue)
    attributes = environment.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MessageRetentionPeriod"])[
        "Attributes"
    ]
    counted = depth(environment.aws, url).total
    alerts: Counter[str] = Counter()
    seen = 0
    with closing(browse(environment.aws, url, limit=limit, thorough=True)) as messages:
        for seen, message in enumerate(messages, start=1):
            key = read_alert(message).marker_key
            if key is not None and key in windows:
                alerts[key] += 1
            if seen >= counted and len(alerts) == len(windows):
                break
    return Inbox(dict(alerts), seen, max(0, counted - seen), int(attributes["MessageRetentionPeriod"]))


def read_alert(message: "MessageTypeDef") -> Alert:
    """An inbox message: SNS's envelope around the alert, or the alert itself where delivery is raw.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """
    envelope = _object(message["Body"])
    text = str(envelope["Message"]) if "Message" in envelope and "TopicArn" in envelope else message["Body"]
    return Alert(
        message_id=str(envelope.get("MessageId", message["MessageId"])),
        subject=str(envelope.get("Subject") or "(no subject)"),
        body=text,
        fields=_object(text),
        sent_ms=sent_ms(message),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
