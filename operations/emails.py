"""What an emulator says it has mailed to subscribers. AWS keeps no such record."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from profiles.session import Aws

# LocalStack keeps what it would have mailed: https://docs.localstack.cloud/aws/services/ses/
_SENT_PATH = "/_aws/ses"
_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Email:
    """One mail as an emulator recorded it. `sent_at`: ISO 8601 UTC, in seconds."""

    message_id: str
    to: tuple[str, ...]
    subject: str
    body: str
    sent_at: str


def recorded_emails(aws: Aws, addresses: frozenset[str]) -> list[Email] | None:
    """What was mailed to these addresses, oldest first; None where the endpoint keeps no record (AWS, ministack)."""
    if aws.profile.endpoint_url is None:
        return None
    try:
        # No proxy: what answers here is on this machine, or it is none of ours.
        with build_opener(ProxyHandler({})).open(
            aws.profile.endpoint_url + _SENT_PATH, timeout=_TIMEOUT_SECONDS
        ) as answer:
            document = json.loads(answer.read())
        found = [_email(message) for message in document["messages"]]
    except (URLError, OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    return [email for email in found if addresses.intersection(email.to)]


def _email(message: dict[str, Any]) -> Email:
    return Email(
        message_id=str(message["Id"]),
        to=tuple(message["Destination"]["ToAddresses"]),
        subject=str(message["Subject"]),
        body=str(message["Body"]["text_part"]),
        sent_at=str(message["Timestamp"]),
    )
