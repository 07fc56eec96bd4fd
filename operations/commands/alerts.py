"""`stockpipe alerts`."""

from dataclasses import asdict
from typing import Any

from rich.text import Text

from bootstrap.resources.sns import HOW_TO_CONFIRM, email_subscribers
from operations.alerts import Alert, peek_inbox, recorded_emails
from operations.display import as_document, clock_time, timestamp
from operations.queues import PEEK_LIMIT, depth
from profiles.environment import Environment, queue_url
from terminal import note, print_json, repeat, say
from terminal.commands import AtLeastOne, Follow, Json
from terminal.environment import HERE, Where
from terminal.untrusted import printable

POLL_SECONDS = 1.0


def alerts(
    *, where: Where = HERE, follow: Follow = False, limit: AtLeastOne = PEEK_LIMIT, as_json: Json = False
) -> None:
    """Show the alerts that were sent to subscribers, with subject and body, oldest first.

    They are read from the inbox queue and stay in it. If the endpoint records emails (LocalStack), these are shown,
    too. With --follow, --json prints one object per line.

    Args:
        limit: Read at most this many alerts.
    """
    environment = where.open()
    if follow:
        _follow(environment, limit, as_json=as_json)
        return
    found = peek_inbox(environment, limit=limit)
    subscribers = email_subscribers(environment.aws, environment.names.topic_arn)
    addresses = frozenset(one.address for one in subscribers)
    emails = recorded_emails(environment.aws, addresses) if subscribers else None
    if as_json:
        print_json(
            {
                "alerts": [_as_json(environment, alert) for alert in found],
                "email_subscribers": [asdict(one) for one in subscribers],
                "emails": None if emails is None else [asdict(email) for email in emails],
            }
        )
        return
    for alert in found:
        _show(alert)
    for email in emails or []:  # as the emulator recorded them; the emulator's subject is its own
        to = (f"email to {printable(', '.join(email.to))}", "bold cyan")
        say(Text.assemble((f"{email.sent_at[11:19]}     ", "dim"), to, f": {printable(email.subject)}"))
        _show_body(email.body)
    for pending in (one for one in subscribers if not one.confirmed):
        note(f"{pending.address}: {HOW_TO_CONFIRM}")
    in_inbox = depth(environment.aws, queue_url(environment, environment.names.inbox_queue)).total
    if in_inbox > len(found):
        note(f"{len(found)} of about {in_inbox} alerts. --limit shows more, except those that another reader has now")
    elif not found:
        noun = environment.contract.noun
        note(f"the inbox is empty: no alert rule has applied to a {noun}, or none was sent; see: stockpipe doctor")


def _follow(environment: Environment, limit: int, *, as_json: bool) -> None:
    seen: set[str] = set()

    def look() -> None:
        new = [alert for alert in peek_inbox(environment, limit=len(seen) + limit) if alert.message_id not in seen]
        seen.update(alert.message_id for alert in new)
        for alert in new:
            if as_json:
                print_json(_as_json(environment, alert), indent=None)
            else:
                _show(alert)

    repeat(look, POLL_SECONDS)


def _show(alert: Alert) -> None:
    """Subject and body as they were sent."""
    say(Text.assemble((f"{clock_time(alert.sent_ms)} ", "dim"), (printable(alert.subject), "bold yellow")))
    _show_body(alert.body)


def _show_body(body: str) -> None:
    say(Text(f"             {printable(body)}", style="dim"))


def _as_json(environment: Environment, alert: Alert) -> dict[str, Any]:
    return {**as_document(environment.contract, alert), "sent_at": timestamp(alert.sent_ms)}
