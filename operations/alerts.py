"""The alerts in the inbox: what every subscriber of the topic was sent."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from operations.queues import PEEK_LIMIT, peek, sent_ms
from profiles.environment import queue_url
from profiles.names import Names
from profiles.session import Aws

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef


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
    def tick_id(self) -> str:
        """The tick that breached, or nothing."""
        return str(self.fields.get("tick_id", ""))


def peek_inbox(aws: Aws, names: Names, *, limit: int = PEEK_LIMIT) -> list[Alert]:
    """Up to `limit` alerts in the inbox queue, oldest first; none is consumed."""
    return [read_alert(message) for message in peek(aws, queue_url(aws, names, names.inbox_queue), limit=limit)]


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
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
