"""What happened to one record, put together from what it left behind: manifest, object, log, alert, dead letter.

Nothing is changed, and nothing is scanned that can be looked up: the manifest knows group and time, so the object's
key is known; the object knows when SQS accepted the record and which Lambda request stored it, so the log is read for
that time only.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from operations import compacted, deadletters, record_search
from operations.alerts import peek_inbox
from operations.deadletters import DeadLetter
from operations.failures import Failure, failures_of
from operations.function_log import read_log
from operations.live_function import alert_windows, read_environment, with_its_bucket
from operations.log_lines import Line, read_line
from operations.queues import Redelivery, depth, redelivery
from operations.record_search import StoredRecord
from operations.stored import read_markers
from producer import manifest as manifests
from producer.manifest import Sent
from profiles.environment import Environment, queue_url
from runtime import settings
from runtime.alerts import Marker
from runtime.clock import Clock
from runtime.fields import InvalidRecordError, Record
from runtime.log_events import BATCH_PROCESSED

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
    """What became of a record. What isn't known, or didn't happen, is None.

    `alert_marker` is the marker of its alert window; where several rules apply, of the first one that this record
    alerted, else of the first one. `reason` is why it is dead-lettered, or why it failed so far.
    """

    record_id: str
    outcome: Outcome
    record: Record | None
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
    """What there is of a record: in this machine's manifests, in the bucket, in the dead-letter queue."""

    record_id: str
    sent: Sent | None
    stored: StoredRecord | None
    letter: DeadLetter | None


def trace(
    environment: Environment,
    some_id: str,
    *,
    group: str | None = None,
    limit: int = record_search.DEFAULT_LIMIT,
    observer: Callable[[str], None] = lambda _: None,
) -> Trace:
    """Follow the record with this id, or message id if this machine sent it.

    `group` and `limit` bound the search for a record that this machine didn't send: `limit` in objects. Raises
    `CannotRunError` where the environment isn't there, `record_search.SearchLimitError` where the limit came first.
    """
    function = read_environment(environment)
    here = with_its_bucket(environment, function)
    sent = _sent(environment, some_id)
    record_id = sent.record.id if sent else some_id
    letter = None if sent else deadletters.find(environment, some_id)
    stored: StoredRecord | None = None
    if sent:
        thorough = function.settings.object_layout == "batch"
        stored = record_search.find_record(
            here, sent.record, thorough=thorough, limit=limit, observer=observer
        ) or compacted.find_one(here, record_id, record=sent.record)
        letter = None if stored else deadletters.find(environment, sent.message_id, record_id)
    elif not letter:
        stored = record_search.search(
            here, record_id, group=group, limit=limit, observer=observer
        ) or compacted.find_one(here, record_id, group=group)
    observer("reading the log")
    return _assemble(here, function, _Found(record_id, sent, stored, letter))


def _assemble(environment: Environment, function: settings.Environment[Any], found: _Found) -> Trace:
    record_id, sent, stored, letter = found.record_id, found.sent, found.stored, found.letter
    content = stored.content if stored else None
    record = sent.record if sent else content.record if content else _record(environment, letter)
    message_id = sent.message_id if sent else letter.message_id if letter else None
    sent_ms = content.sent_ms if content else letter.sent_ms if letter else None
    hops: list[Hop] = []
    if sent or sent_ms is not None:
        unknown = "SQS message id: in the manifest of the machine that sent it"
        hops.append(Hop("sent", sent_ms, f"SQS message {message_id}" if message_id else unknown))
    alerts = _alerts(environment, function, record)
    own = {key: marker for key, marker in alerts.items() if marker.record_id == record_id}
    hops += _alert_hops(environment, own)
    processed_ms = content.processed_ms if content else None
    again = None if stored or letter else redelivery(environment.aws, queue_url(environment, environment.names.queue))
    failures = failures_of(
        environment,
        message_id=message_id,
        record_id=record_id,
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
    hops += [
        Hop("not alerted", None, f"{marker.record_id} alerted its window: {key}")
        for key, marker in alerts.items()
        if key not in own
    ]
    if letter:
        hops.append(Hop("dead-lettered", None, f"{letter.reason}; see: stockpipe dlq show {letter.message_id}"))
    outcome = _outcome(environment, found, failures)
    return Trace(
        record_id=record_id,
        outcome=outcome,
        record=record,
        message_id=message_id,
        request_id=(stored.request_id or None) if stored else None,
        key=stored.key if stored else None,
        latency_ms=content.latency_ms if content else None,
        alert_marker=next(iter(own or alerts), None),
        sns_message_id=next((marker.sns_message_id for marker in own.values()), None),
        reason=letter.reason if letter else _failing(failures, again) if outcome == "on its way" else None,
        hops=_in_order(hops),
    )


def _sent(environment: Environment, some_id: str) -> Sent | None:
    """What this machine's manifests know, the latest first."""
    for path in reversed(manifests.all_paths(environment)):
        if sent := manifests.find(path, environment.contract, some_id):
            return sent
    return None


def _record(environment: Environment, letter: DeadLetter | None) -> Record | None:
    if letter is None:
        return None
    try:
        record: Record = environment.contract.parse(
            letter.body, message_id=letter.message_id, sent_timestamp_ms=letter.sent_ms
        )
    except InvalidRecordError:
        return None
    return record


def _stored_hops(environment: Environment, stored: StoredRecord, sent_ms: int, processed_ms: int) -> list[Hop]:
    lines = _lines_of(environment, stored.request_id, sent_ms)
    ended = next((line for line in lines if line.level == "REPORT"), None)
    reported = next((line for line in lines if line.message == BATCH_PROCESSED), None)
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


def _alerts(environment: Environment, function: settings.Environment[Any], record: Record | None) -> dict[str, Marker]:
    """The published markers of the record's alert windows by key. A window's alert may be about another record."""
    keys = alert_windows(environment, function, record) if record else ()
    return {key: marker for key, marker in read_markers(environment, keys) if marker.is_published}


def _alert_hops(environment: Environment, alerts: dict[str, Marker]) -> list[Hop]:
    if not alerts:
        return []
    inbox = {one.message_id: one for one in peek_inbox(environment)}
    hops = []
    for key, marker in alerts.items():
        hops.append(Hop("alert", marker.published_ms, f"SNS message {marker.sns_message_id}; {key}"))
        if delivered := inbox.get(marker.sns_message_id):
            to = f"to {environment.names.inbox_queue}: {delivered.subject}"
            hops.append(Hop("delivered", delivered.sent_ms, to))
    return hops


def _first_delivery_ms(again: Redelivery | None) -> int:
    """When a message that SQS still delivers again was delivered first, at the earliest; milliseconds since 1970."""
    longest_seconds = again.seconds * ((again.receives or _MOST_RECEIVES) + 1) if again else 0
    return Clock().now_ms() - 1_000 * longest_seconds


def _failing(failures: list[Failure], again: Redelivery | None) -> str | None:
    """`failed 2 times so far: the reason; a failed message is delivered again …`."""
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
