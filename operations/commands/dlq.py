"""`stockpipe dlq list|show|redrive|purge`."""

import sys
import time
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

import terminal
from operations import deadletters
from operations.deadletters import DeadLetter, Redrive
from operations.display import age, as_document, plain_table, print_json_line, timestamp
from operations.function_log import FailedDelivery, failures_of
from operations.queues import PEEK_LIMIT, depth, redelivery
from profiles.environment import Environment, queue_url
from profiles.errors import CannotRunError
from runtime.log_events import log_events
from terminal.untrusted import one_line, printable

app = typer.Typer(
    no_args_is_help=True,
    help="Dead letters: messages that failed too often. See why, send them back, or delete them.\n\n"
    "A message comes here after --max-receive-count failed deliveries. Either it is not a valid record: then the "
    "reason says what is wrong with it, and sending it back is useless. Or processing failed: then `dlq show` has the "
    "function's reason, and when its cause is removed, `dlq redrive` sends it back.",
)

_EXCERPT = 60
MessageArgument = Annotated[str, typer.Argument(help="A message id or a record id.", show_default=False)]


@app.command(name="list")
def list_letters(
    *,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = PEEK_LIMIT,
    as_json: terminal.JsonOption = False,
    profile: terminal.ProfileOption = terminal.DEFAULT_PROFILE,
    prefix: terminal.PrefixOption = "",
    bucket: terminal.BucketOption = None,
    pipeline: terminal.PipelineOption = None,
) -> None:
    """List dead letters with their reasons, oldest first. They stay where they are."""
    environment = terminal.open_environment(profile, prefix, bucket, pipeline)
    letters = deadletters.list_dead_letters(environment, limit=limit)
    total = depth(environment.aws, queue_url(environment, environment.names.dead_letter_queue)).total
    if as_json:
        documents = [_as_json(environment, one) for one in letters]
        terminal.print_json({"total": max(total, len(letters)), "dead_letters": documents})
        return
    if not letters and not total:
        terminal.console.print("no dead letters")
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
    terminal.console.print(table)
    if total > len(letters):
        _note(f"{len(letters)} of about {total}. --limit shows more, except those that another reader has now")


@app.command()
def show(
    message: MessageArgument,
    *,
    as_json: terminal.JsonOption = False,
    profile: terminal.ProfileOption = terminal.DEFAULT_PROFILE,
    prefix: terminal.PrefixOption = "",
    bucket: terminal.BucketOption = None,
    pipeline: terminal.PipelineOption = None,
) -> None:
    """Show one dead letter whole: body, reason, and what the function's log says about each delivery."""
    environment = terminal.open_environment(profile, prefix, bucket, pipeline)
    letter = deadletters.find(environment, message)
    if letter is None:
        raise _not_there(environment, message)
    failures = failures_of(
        environment,
        message_id=letter.message_id,
        record_id=letter.record_id,
        since_ms=letter.sent_ms,
    )
    if as_json:
        document = {**_as_json(environment, letter), "failures": as_document(environment.contract, failures)}
        terminal.print_json(document)
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
        table.add_row(Text("delivery", style="dim"), Text(_delivery(failure)))
    table.show_header = False
    terminal.console.print(table)
    terminal.console.print(Text(printable(letter.body)), soft_wrap=True)
    if letter.is_valid and not failures:
        _note("The function's log has no line about it: it may have been ended by a timeout. stockpipe logs --since 1d")


@app.command()
def redrive(
    message: Annotated[
        str | None,
        typer.Argument(help="A message id or a record id; without it, all dead letters.", show_default=False),
    ] = None,
    *,
    as_json: terminal.JsonOption = False,
    profile: terminal.ProfileOption = terminal.DEFAULT_PROFILE,
    prefix: terminal.PrefixOption = "",
    bucket: terminal.BucketOption = None,
    pipeline: terminal.PipelineOption = None,
) -> None:
    """Send dead letters back to the queue, to be processed again. Nothing is lost if this is interrupted.

    SQS does it by itself where the endpoint can (a message move task); else each is copied first and deleted after.
    """
    environment = terminal.open_environment(profile, prefix, bucket, pipeline)
    with terminal.errors.status("sending back …"):
        _warn_of_invalid(environment, message)
        result = (
            deadletters.redrive_all(environment) if message is None else deadletters.redrive_one(environment, message)
        )
    if message is not None and not result.moved:
        raise _not_there(environment, message)
    if as_json:
        terminal.print_json(asdict(result))
    else:
        terminal.console.print(describe(result), soft_wrap=True)


@app.command()
def purge(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts; with --yes.")] = False,
    profile: terminal.ProfileOption = terminal.DEFAULT_PROFILE,
    prefix: terminal.PrefixOption = "",
    bucket: terminal.BucketOption = None,
    pipeline: terminal.PipelineOption = None,
) -> None:
    """Delete all dead letters for good. Asks, after showing what would be lost; `dlq list --json` keeps a copy."""
    environment = terminal.open_environment(profile, prefix, bucket, pipeline)
    aws, queue = environment.aws, environment.names.dead_letter_queue
    total = depth(aws, queue_url(environment, queue)).total or len(deadletters.list_dead_letters(environment))
    if total and not yes:
        if not sys.stdin.isatty():
            raise CannotRunError("purge deletes for good and asks before: without a terminal, add --yes")
        for reason, count in _reasons(deadletters.list_dead_letters(environment)):
            _note(f"  {count} x {printable(reason)}")
        where = f"account {aws.account}, profile {aws.profile.name}"
        if not typer.confirm(f"Permanently delete about {total} messages of {queue} ({where})?", err=True):
            raise CannotRunError("nothing was deleted")
    if total:
        deadletters.purge(environment)
    if as_json:
        print_json_line({"deleted": total})
    else:
        terminal.console.print(f"deleted about {total} dead letters" if total else "no dead letters")


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
        _note(
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
        _note(f"{bad} of {len(letters)} messages can't succeed, because they are not {what}: they will fail again")


def _delivery(failure: FailedDelivery) -> str:
    return f"{timestamp(failure.at_ms)}  {printable(failure.reason)}  request {printable(failure.request_id)}"


def _reasons(letters: list[DeadLetter]) -> list[tuple[str, int]]:
    return Counter(letter.reason for letter in letters).most_common()


def _note(text: str) -> None:
    terminal.errors.print(text, markup=False, soft_wrap=True)
