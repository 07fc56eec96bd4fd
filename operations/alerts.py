"""The alerts in the inbox: what every subscriber of the topic was sent."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from operations.queues import PEEK_LIMIT, browse, depth, peek, sent_ms
from profiles.environment import Environment, queue_url
from runtime.alerts import marker_key_of
from runtime.contract import Contract

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef


INBOX_LIMIT = 20_000  # messages: looking at so many takes a minute or so


@dataclass(frozen=True, slots=True)
class Alert:
    """One message of the topic. `fields` is its JSON body; empty where the body is something else, kept in `body`.

    `record_id`: the record that it is about; empty if it doesn't say.
    """

    message_id: str
    subject: str
    body: str
    fields: dict[str, Any]
    sent_ms: int
    record_id: str = ""


def peek_inbox(environment: Environment, *, limit: int = PEEK_LIMIT) -> list[Alert]:
    """Up to `limit` alerts in the inbox queue, oldest first; none is consumed."""
    url = queue_url(environment, environment.names.inbox_queue)
    return [read_alert(environment.contract, message) for message in peek(environment.aws, url, limit=limit)]


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
            key = marker_key_of(environment.contract, read_alert(environment.contract, message).fields)
            if key is not None and key in windows:
                alerts[key] += 1
            if seen >= counted and len(alerts) == len(windows):
                break
    return Inbox(dict(alerts), seen, max(0, counted - seen), int(attributes["MessageRetentionPeriod"]))


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


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
