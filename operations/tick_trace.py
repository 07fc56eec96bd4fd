"""The life of one tick, put together from what it left behind: manifest, record, log, alert, dead letter.

Nothing is changed, and nothing is scanned that can be looked up: the manifest knows symbol and time, so the record's
key is known; the record knows when SQS accepted the tick and which Lambda request stored it, so the log is read for
that time only.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from pipeline.environment import Environment
from pipeline.tick import (
    InvalidTickError,
    Record,
    Tick,
    alert_marker_key,
    encode_record,
    parse,
    parse_record,
    to_epoch_ms,
)

from operations import compacted, deadletters, tick_search
from operations import stored as stored_objects
from operations.alerts import peek_inbox
from operations.deadletters import DeadLetter
from operations.failures import Failure, failures_of
from operations.function_log import read_log
from operations.live_function import read_environment
from operations.log_lines import Line, read_line
from operations.queues import Redelivery, depth, redelivery
from operations.tick_search import StoredTick
from producer import manifest as manifests
from producer.manifest import Sent
from profiles.environment import Environment, queue_url
from profiles.session import Aws

Outcome = Literal["stored", "dead-lettered", "on its way", "not found"]

_LONGEST_INVOCATION_MS = 900_000
_MOST_LOG_PAGES = 50
_MOST_RECEIVES = 10  # deliveries to look for in the log, where the queue has no limit
_BEFORE_MS = 1_000  # clocks of SQS, Lambda and CloudWatch Logs differ a little


@dataclass(frozen=True, slots=True)
class Hop:
    """One station. `at_ms`: milliseconds since 1970, None where nobody recorded it; `detail` names what to look up."""

    name: str
    at_ms: int | None
    detail: str


@dataclass(frozen=True)
class Trace:
    """What became of a tick. What isn't known, or didn't happen, is None.

    `reason` is why it is dead-lettered, or why it failed so far.
    """

    tick_id: str
    outcome: Outcome
    tick: Tick | None
    message_id: str | None
    request_id: str | None
    key: str | None
    latency_ms: int | None
    alert_marker: str | None
    sns_message_id: str | None
    reason: str | None
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is of a tick: in this machine's manifests, in the bucket, in the dead-letter queue."""

    tick_id: str
    sent: Sent | None
    stored: StoredTick | None
    letter: DeadLetter | None


@dataclass(frozen=True, slots=True)
class _Alerted:
    """The alert of the tick's window, which may have been about another tick."""

    marker_key: str
    tick_id: str
    sns_message_id: str | None
    published_ms: int | None


def trace(
    environment: Environment,
    some_id: str,
    *,
    symbol: str | None = None,
    limit: int = tick_search.DEFAULT_LIMIT,
    observer: Callable[[str], None] = lambda _: None,
) -> Trace:
    """Follow the tick with this tick id, or message id if this machine sent it.

    `symbol` and `limit` bound the search for a tick that this machine didn't send: `limit` in objects. Raises
    `CannotRunError` where the environment isn't there, `tick_search.SearchLimitError` where the limit came first.
    """
    function = read_environment(environment)
    here = replace(environment.names, bucket_override=function.bucket)
    sent = _sent(environment, some_id)
    tick_id = sent.tick.tick_id if sent else some_id
    letter = None if sent else deadletters.find(environment, some_id)
    stored: StoredTick | None = None
    if sent:
        thorough = function.object_layout == "batch"
        stored = tick_search.find_by_tick(
            environment.aws.s3, function.bucket, sent.tick, thorough=thorough, limit=limit, observer=observer
        ) or compacted.find_one(environment.aws, here, tick_id, tick=sent.tick)
        letter = None if stored else deadletters.find(environment, sent.message_id, tick_id)
    elif not letter:
        stored = tick_search.search(
            environment.aws.s3, function.bucket, tick_id, symbol=symbol, limit=limit, observer=observer
        ) or compacted.find_one(environment.aws, here, tick_id, symbol=symbol)
    observer("reading the log")
    return _assemble(environment, function, _Found(tick_id, sent, stored, letter))


def _assemble(environment: Environment, function: Environment, found: _Found) -> Trace:
    tick_id, sent, stored, letter = found.tick_id, found.sent, found.stored, found.letter
    record = _record(stored) if stored else None
    tick = sent.tick if sent else record.tick if record else _tick(letter)
    message_id = sent.message_id if sent else letter.message_id if letter else None
    # The record's latency is counted from when SQS accepted the message.
    sent_ms = record.processed_ms - record.latency_ms if record else letter.sent_ms if letter else None
    hops: list[Hop] = []
    if sent or sent_ms is not None:
        hops.append(
            Hop(
                "sent",
                sent_ms,
                f"SQS message {message_id}"
                if message_id
                else "SQS message id: in the manifest of the machine that sent it",
            )
        )
    alerted = _alerted(environment.aws, function, tick)
    if alerted and alerted.tick_id == tick_id:
        hops += _alert_hops(environment, alerted)
    processed_ms = record.processed_ms if record else None
    again = None if stored or letter else redelivery(environment.aws, queue_url(environment, environment.names.queue))
    failures = failures_of(
        environment,
        message_id=message_id,
        tick_id=tick_id,
        since_ms=(_first_delivery_ms(again) if sent_ms is None else sent_ms) - _BEFORE_MS,
        until_ms=None if processed_ms is None else processed_ms + _BEFORE_MS,
    )
    hops += [
        Hop("failed", failure.at_ms, f"{failure.reason}; Lambda request {failure.request_id}") for failure in failures
    ]
    if stored and sent_ms is not None and processed_ms is not None:
        hops += _stored_hops(environment, stored, sent_ms, processed_ms)
    elif stored:
        hops.append(Hop("stored", None, f"{stored.key}, but it is not a valid record: see stockpipe reconcile --full"))
    if alerted and alerted.tick_id != tick_id:
        hops.append(Hop("not alerted", None, f"{alerted.tick_id} alerted its window: {alerted.marker_key}"))
    if letter:
        hops.append(Hop("dead-lettered", None, f"{letter.reason}; see: stockpipe dlq show {letter.message_id}"))
    outcome = _outcome(environment, found, failures)
    return Trace(
        tick_id=tick_id,
        outcome=outcome,
        tick=tick,
        message_id=message_id,
        request_id=(stored.request_id or None) if stored else None,
        key=stored.key if stored else None,
        latency_ms=record.latency_ms if record else None,
        alert_marker=alerted.marker_key if alerted else None,
        sns_message_id=alerted.sns_message_id if alerted and alerted.tick_id == tick_id else None,
        reason=letter.reason if letter else _failing(failures, again) if outcome == "on its way" else None,
        hops=_in_order(hops),
    )


def _sent(environment: Environment, some_id: str) -> Sent | None:
    """What this machine's manifests know, the latest first."""
    for path in reversed(manifests.all_paths(environment)):
        if sent := manifests.find(path, some_id):
            return sent
    return None


def _record(stored: StoredTick) -> Record | None:
    """None if it is not a valid record: somebody else has written it."""
    try:
        return parse_record(encode_record(stored.record).encode())
    except ValueError:
        return None


def _tick(letter: DeadLetter | None) -> Tick | None:
    try:
        return parse(letter.body, message_id=letter.message_id, sent_timestamp_ms=letter.sent_ms) if letter else None
    except InvalidTickError:
        return None


def _stored_hops(environment: Environment, stored: StoredTick, sent_ms: int, processed_ms: int) -> list[Hop]:
    lines = _lines_of(environment, stored.request_id, sent_ms)
    ended = next((line for line in lines if line.level == "REPORT"), None)
    reported = next((line for line in lines if line.message == "batch processed"), None)
    by = f"Lambda request {stored.request_id}" if stored.request_id else "the request isn't known: compaction drops it"
    hops = [
        Hop("received", _received_ms(lines, ended, sent_ms, processed_ms), by),
        Hop("processed", processed_ms, "valid; record built"),
        Hop("stored", max(reported.at_ms, processed_ms) if reported else None, stored.key),
    ]
    if ended:
        hops.append(Hop("answered", ended.at_ms, f"invocation took {ended.fields.get('duration', '?')}"))
    return hops


def _received_ms(lines: list[Line], ended: Line | None, sent_ms: int, processed_ms: int) -> int | None:
    """When the invocation began. Emulators stamp START at the end of an invocation, so its duration counts, too."""
    begun = [line.at_ms for line in lines if line.level == "START"]
    if ended:
        milliseconds = str(ended.fields.get("duration", "")).removesuffix(" ms")
        with suppress(ValueError, OverflowError):
            begun += [ended.at_ms - round(float(milliseconds))]
    return min(max(min(begun), sent_ms), processed_ms) if begun else None


def _lines_of(environment: Environment, request_id: str, sent_ms: int) -> list[Line]:
    """The invocation's lines, up to its REPORT."""
    lines: list[Line] = []
    if not request_id:
        return lines
    try:
        for event in read_log(
            environment,
            since_ms=sent_ms - _BEFORE_MS,
            until_ms=sent_ms + _LONGEST_INVOCATION_MS,
            pattern=f'"{request_id}"',
            pages=_MOST_LOG_PAGES,
        ):
            line = read_line(event)
            if line.request_id == request_id:
                lines.append(line)
                if line.level == "REPORT":
                    break
    except environment.aws.logs.exceptions.ResourceNotFoundException:
        return []
    return lines


def _alerted(aws: Aws, function: Environment, tick: Tick | None) -> _Alerted | None:
    """The marker of the tick's window, where its price reaches the threshold."""
    if tick is None or tick.price < function.alert_threshold:
        return None
    key = alert_marker_key(tick, cooldown_seconds=function.alert_cooldown_seconds)
    marker = stored_objects.read_marker(aws.s3, function.bucket, key)
    if marker.get("state") != "published":
        return None
    return _Alerted(
        marker_key=key,
        tick_id=str(marker.get("tick_id", "")),
        sns_message_id=str(marker.get("sns_message_id", "")),
        published_ms=_ms(marker.get("published_at")),
    )


def _ms(text: object) -> int | None:
    """The time of an alert marker; None if it has none."""
    try:
        return to_epoch_ms(datetime.fromisoformat(str(text)))
    except (ValueError, TypeError):
        return None


def _alert_hops(environment: Environment, alerted: _Alerted) -> list[Hop]:
    hops = [Hop("alert", alerted.published_ms, f"SNS message {alerted.sns_message_id}; {alerted.marker_key}")]
    inbox = next((one for one in peek_inbox(environment) if one.message_id == alerted.sns_message_id), None)
    if inbox:
        hops.append(Hop("delivered", inbox.sent_ms, f"to {environment.names.inbox_queue}: {inbox.subject}"))
    return hops


def _first_delivery_ms(again: Redelivery | None) -> int:
    """When a message that SQS still delivers again was delivered first, at the earliest; milliseconds since 1970."""
    longest_seconds = again.seconds * ((again.receives or _MOST_RECEIVES) + 1) if again else 0
    return time.time_ns() // 1_000_000 - 1_000 * longest_seconds


def _failing(failures: list[Failure], again: Redelivery | None) -> str | None:
    """`failed 2 times so far: price is a string; a failed message is delivered again …`."""
    if not failures or again is None:
        return None
    times = "once" if len(failures) == 1 else f"{len(failures)} times"
    return f"failed {times} so far: {failures[-1].reason}; {again.text}"


def _outcome(environment: Environment, found: _Found, failures: list[Failure]) -> Outcome:
    if found.stored:
        return "stored"
    if found.letter:
        return "dead-lettered"
    known = found.sent or failures
    return (
        "on its way"
        if known and depth(environment.aws, queue_url(environment, environment.names.queue)).total
        else "not found"
    )


def _in_order(hops: list[Hop]) -> tuple[Hop, ...]:
    """By time; a hop without one stays behind the one that it came after."""
    keyed = []
    latest = 0
    for hop in hops:
        latest = hop.at_ms if hop.at_ms is not None else latest
        keyed.append((latest, hop))
    return tuple(hop for _, hop in sorted(keyed, key=lambda pair: pair[0]))
