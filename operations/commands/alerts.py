"""`stockpipe alerts`."""

import contextlib
import time
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

import terminal
from bootstrap.resources.sns import HOW_TO_CONFIRM, Subscriber, email_subscribers
from operations.alerts import Alert, Email, peek_inbox, recorded_emails
from operations.display import as_document, clock_time, print_json_line, timestamp
from operations.queues import PEEK_LIMIT, depth
from profiles.environment import Environment, queue_url
from terminal.untrusted import printable

app = typer.Typer()

POLL_SECONDS = 1.0


@app.command()
def alerts(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option(help="Read at most this many alerts.", min=1)] = PEEK_LIMIT,
    as_json: terminal.JsonOption = False,
    profile: terminal.ProfileOption = terminal.DEFAULT_PROFILE,
    prefix: terminal.PrefixOption = "",
    bucket: terminal.BucketOption = None,
    pipeline: terminal.PipelineOption = None,
) -> None:
    """Show the alerts that were sent to subscribers, with subject and body, oldest first.

    They are read from the inbox queue and stay in it. If the endpoint records emails (LocalStack), these are shown,
    too. With --follow, --json prints one object per line.
    """
    environment = terminal.open_environment(profile, prefix, bucket, pipeline)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(environment, limit, as_json=as_json)
        return
    found = peek_inbox(environment, limit=limit)
    subscribers = email_subscribers(environment.aws, environment.names.topic_arn)
    addresses = frozenset(one.address for one in subscribers)
    emails = recorded_emails(environment.aws, addresses) if subscribers else None
    if as_json:
        print_document(environment, found, subscribers, emails)
        return
    for alert in found:
        show(alert)
    for email in emails or []:
        show_email(email)
    for pending in (one for one in subscribers if not one.confirmed):
        _note(f"{pending.address}: {HOW_TO_CONFIRM}")
    in_inbox = depth(environment.aws, queue_url(environment, environment.names.inbox_queue)).total
    if in_inbox > len(found):
        _note(f"{len(found)} of about {in_inbox} alerts. --limit shows more, except those that another reader has now")
    elif not found:
        noun = environment.contract.noun
        _note(f"the inbox is empty: no alert rule has applied to a {noun}, or none was sent; see: stockpipe doctor")


def print_document(
    environment: Environment, found: list[Alert], subscribers: list[Subscriber], emails: list[Email] | None
) -> None:
    """Everything as one JSON document; `emails` is null where the endpoint keeps no record of mails."""
    terminal.print_json(
        {
            "alerts": [_as_json(environment, alert) for alert in found],
            "email_subscribers": [asdict(one) for one in subscribers],
            "emails": None if emails is None else [asdict(email) for email in emails],
        }
    )


def show(alert: Alert) -> None:
    """Subject and body as they were sent."""
    _print(Text.assemble((f"{clock_time(alert.sent_ms)} ", "dim"), (printable(alert.subject), "bold yellow")))
    _print(Text(f"             {printable(alert.body)}", style="dim"))


def show_email(email: Email) -> None:
    """A mail as the emulator recorded it; the emulator's subject is its own."""
    _print(
        Text.assemble(
            (f"{email.sent_at[11:19]}     ", "dim"),
            (f"email to {printable(', '.join(email.to))}", "bold cyan"),
            f": {printable(email.subject)}",
        )
    )
    _print(Text(f"             {printable(email.body)}", style="dim"))


def _follow(environment: Environment, limit: int, *, as_json: bool) -> None:
    seen: set[str] = set()
    while True:
        new = [alert for alert in peek_inbox(environment, limit=len(seen) + limit) if alert.message_id not in seen]
        seen.update(alert.message_id for alert in new)
        for alert in new:
            if as_json:
                print_json_line(_as_json(environment, alert))
            else:
                show(alert)
        time.sleep(POLL_SECONDS)


def _as_json(environment: Environment, alert: Alert) -> dict[str, Any]:
    return {**as_document(environment.contract, alert), "sent_at": timestamp(alert.sent_ms)}


def _print(text: Text) -> None:
    terminal.console.print(text, soft_wrap=True)


def _note(text: str) -> None:
    terminal.errors.print(text, markup=False, soft_wrap=True)
