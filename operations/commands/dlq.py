"""Dead letters: messages that failed too often. See why, send them back, or delete them.

A message comes here after --max-receive-count failed deliveries. Either it is not a valid record: then the reason says
what is wrong with it, and sending it back is useless. Or processing failed: then `dlq show` has the function's reason,
and when its cause is removed, `dlq redrive` sends it back.
"""

import sys
import time
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from operations import deadletters
from operations.deadletters import DeadLetter, Redrive
from operations.display import age, as_document, plain_table, timestamp
from operations.function_log import failures_of
from operations.queues import PEEK_LIMIT, depth, redelivery
from profiles.environment import Environment, queue_url
from profiles.errors import CannotRunError
from runtime.log_events import log_events
from terminal import confirmed, console, errors, note, print_json, say
from terminal.commands import AtLeastOne, Json, command_line
from terminal.environment import HERE, Where
from terminal.untrusted import one_line, printable

app = command_line("dlq", __doc__)

_EXCERPT = 60
_ID = Parameter(name="MESSAGE", allow_leading_hyphen=True)


@app.command(name="list")
def list_letters(*, where: Where = HERE, limit: AtLeastOne = PEEK_LIMIT, as_json: Json = False) -> None:
    """List dead letters with their reasons, oldest first. They stay where they are.

    Args:
        limit: Show at most this many.
    """
    environment = where.open()
    letters = deadletters.list_dead_letters(environment, limit=limit)
    total = depth(environment.aws, queue_url(environment, environment.names.dead_letter_queue)).total
    if as_json:
        documents = [_as_json(environment, one) for one in letters]
        print_json({"total": max(total, len(letters)), "dead_letters": documents})
        return
    if not letters and not total:
        console.print("no dead letters")
        _hint_at_retries(environment)
        return
    table = plain_table("message id", "age", environment.contract.noun, "reason", "body")
    now_ms = time.time_ns() // 1_000_000
    for letter in letters:
        table.add_row(
            Text(printable(letter.message_id)),
            age(now_ms - letter.sent_ms),
            Text(one_line(letter.record_id or "", _EXCERPT)),
            Text(printable(letter.reason)),
            Text(one_line(letter.body, _EXCERPT)),
        )
    console.print(table)
    if total > len(letters):
        note(f"{len(letters)} of about {total}. --limit shows more, except those that another reader has now")


@app.command
def show(message: Annotated[str, _ID], /, *, where: Where = HERE, as_json: Json = False) -> None:
    """Show one dead letter whole: body, reason, and what the function's log says about each delivery.

    Args:
        message: A message id or a record id.
    """
    environment = where.open()
    letter = deadletters.find(environment, message)
    if letter is None:
        raise _not_there(environment, message)
    failures = failures_of(
        environment, message_id=letter.message_id, record_id=letter.record_id, since_ms=letter.sent_ms
    )
    if as_json:
        print_json({**_as_json(environment, letter), "failures": as_document(environment.contract, failures)})
        return
    table = plain_table("", "")
    for name, value in (
        ("message id", letter.message_id),
        (f"{environment.contract.noun} id", letter.record_id or "-"),
        ("sent", timestamp(letter.sent_ms)),
        ("reason", letter.reason),
    ):
        table.add_row(Text(name, style="dim"), Text(printable(value)))
    for failure in failures:
        said = f"{printable(failure.reason)}  request {printable(failure.request_id)}"
        table.add_row(Text("delivery", style="dim"), Text(f"{timestamp(failure.at_ms)}  {said}"))
    table.show_header = False
    console.print(table)
    say(Text(printable(letter.body)))
    if letter.is_valid and not failures:
        note("The function's log has no line about it: it may have been ended by a timeout. stockpipe logs --since 1d")


@app.command
def redrive(message: Annotated[str | None, _ID] = None, /, *, where: Where = HERE, as_json: Json = False) -> None:
    """Send dead letters back to the queue, to be processed again. Nothing is lost if this is interrupted.

    SQS does it by itself where the endpoint can (a message move task); else each is copied first and deleted after.

    Args:
        message: A message id or a record id; without it, all dead letters.
    """
    environment = where.open()
    with errors.status("sending back …"):
        _warn_of_invalid(environment, message)
        result = (
            deadletters.redrive_all(environment) if message is None else deadletters.redrive_one(environment, message)
        )
    if message is not None and not result.moved:
        raise _not_there(environment, message)
    if as_json:
        print_json(asdict(result))
    else:
        say(describe(result))


@app.command
def purge(
    *,
    where: Where = HERE,
    yes: bool = False,
    as_json: Annotated[Json, Parameter(help="Print JSON for scripts; with --yes.")] = False,
) -> None:
    """Delete all dead letters for good. Asks, after showing what would be lost; `dlq list --json` keeps a copy.

    Args:
        yes: Don't ask.
    """
    environment = where.open()
    aws, queue = environment.aws, environment.names.dead_letter_queue
    total = depth(aws, queue_url(environment, queue)).total or len(deadletters.list_dead_letters(environment))
    if total and not yes:
        if not sys.stdin.isatty():
            raise CannotRunError("purge deletes for good and asks before: without a terminal, add --yes")
        reasons = Counter(letter.reason for letter in deadletters.list_dead_letters(environment))
        for reason, count in reasons.most_common():
            note(f"  {count} x {printable(reason)}")
        place = f"account {aws.account}, profile {aws.profile.name}"
        if not confirmed(f"Permanently delete about {total} messages of {queue} ({place})?"):
            raise CannotRunError("nothing was deleted")
    if total:
        deadletters.purge(environment)
    if as_json:
        print_json({"deleted": total}, indent=None)
    else:
        console.print(f"deleted about {total} dead letters" if total else "no dead letters")


def _as_json(environment: Environment, letter: DeadLetter) -> dict[str, Any]:
    return {**as_document(environment.contract, letter), "sent_at": timestamp(letter.sent_ms)}


def _not_there(environment: Environment, message: str) -> CannotRunError:
    noun = environment.contract.noun
    return CannotRunError(f"no dead letter has the message id or {noun} id {message}; see: stockpipe dlq list")


def describe(result: Redrive) -> str:
    """`sent 3 messages back (SQS message move task)`."""
    way = "SQS message move task" if result.way == "task" else "copied, then deleted"
    more = "" if result.finished else "; SQS is still at it: stockpipe dlq list"
    return f"sent {result.moved} messages back ({way}){more}"


def _hint_at_retries(environment: Environment) -> None:
    """Say what may become a dead letter: what the function has, or failed and waits for its next delivery."""
    url = queue_url(environment, environment.names.queue)
    if in_flight := depth(environment.aws, url).in_flight:
        note(
            f"{in_flight:,} messages are being processed or retried: {redelivery(environment.aws, url).text}. "
            f'Failures so far: stockpipe logs --filter "{log_events(environment.contract).rejected}"'
        )


def _warn_of_invalid(environment: Environment, message: str | None) -> None:
    """Say in advance which messages will be back."""
    if message is None:
        letters = deadletters.list_dead_letters(environment)
    else:
        found = deadletters.find(environment, message)
        letters = [found] if found else []
    if bad := sum(not letter.is_valid for letter in letters):
        what = f"valid {environment.contract.plural}"
        note(f"{bad} of {len(letters)} messages can't succeed, because they are not {what}: they will fail again")
