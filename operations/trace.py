"""What happened to one record, put together from what it left behind: manifest, object, log, alert, dead letter.

Nothing is changed. What is known is looked up rather than searched for: the manifest has group and time, which give the
object's key; the object says when SQS accepted the record and which Lambda request stored it, so only that part of the
log is read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from operations import compacted, deadletters, records
from operations.alerts import peek_inbox, read_markers
from operations.deadletters import DeadLetter
from operations.function_log import FailedDelivery, Line, failures_of, read_line, read_log
from operations.live_function import LiveFunction, read_function
from operations.queues import Redelivery, depth, redelivery
from operations.records import Found
from producer import manifest as manifests
from producer.manifest import Sent
from profiles.environment import Environment, queue_url
from runtime.alerts import Marker
from runtime.clock import Clock
from runtime.contract import Stored
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


def trace(
    environment: Environment,
    some_id: str,
    *,
    group: str | None = None,
    limit: int = records.DEFAULT_LIMIT,
    observer: Callable[[str], None] = lambda _: None,
) -> Trace:
    """Follow the record with this id, or message id if this machine sent it.

    `group` and `limit` bound the search for a record that this machine didn't send: `limit` in objects. Raises
    `CannotRunError` where the environment isn't there, `records.SearchLimitError` where the limit came first.
    """
    function = read_function(environment)
    here = function.environment
    sent = _sent(environment, some_id)
    record_id = sent.record.id if sent else some_id
    letter = None if sent else deadletters.find(environment, some_id)
    stored: Found | None = None
    if sent:
        thorough = function.settings.object_layout == "batch"
        stored = records.find_record(
            here, sent.record, thorough=thorough, limit=limit, observer=observer
        ) or compacted.find_one(here, record_id, record=sent.record)
        letter = None if stored else deadletters.find(environment, sent.message_id, record_id)
    elif not letter:
        stored = records.find_by_id(here, record_id, group=group, limit=limit, observer=observer) or compacted.find_one(
            here, record_id, group=group
        )
    observer("reading the log")
    return _assemble(function, record_id, sent, stored, letter)


def _assemble(
    function: LiveFunction, record_id: str, sent: Sent | None, found: Found | None, letter: DeadLetter | None
) -> Trace:
    """Put together what there is of a record: in this machine's manifests, in the bucket, in the dead-letter queue."""
    environment = function.environment
    stored = found.content if found and isinstance(found.content, Stored) else None
    record = sent.record if sent else stored.record if stored else _record(environment, letter)
    message_id = sent.message_id if sent else letter.message_id if letter else None
    sent_ms = stored.sent_ms if stored else letter.sent_ms if letter else None
    hops: list[Hop] = []
    if sent or sent_ms is not None:
        unknown = "SQS message id: in the manifest of the machine that sent it"
        hops.append(Hop("sent", sent_ms, f"SQS message {message_id}" if message_id else unknown))
    alerts = _alerts(function, record)
    own = {key: marker for key, marker in alerts.items() if marker.record_id == record_id}
    hops += _alert_hops(environment, own)
    queue = queue_url(environment, environment.names.queue)
    again = None if found or letter else redelivery(environment.aws, queue)
    failures = failures_of(
        environment,
        message_id=message_id,
        record_id=record_id,
        since_ms=(_first_delivery_ms(again) if sent_ms is None else sent_ms) - _BEFORE_MS,
        until_ms=stored.processed_ms + _BEFORE_MS if stored else None,
    )
    hops += [
        Hop("failed", failure.at_ms, f"{failure.reason}; Lambda request {failure.request_id}") for failure in failures
    ]
    if found and stored:
        hops += _stored_hops(environment, found, stored)
    elif found:
        hops.append(Hop("stored", None, f"{found.key}, but it is not a valid record: see stockpipe reconcile --full"))
    hops += [
        Hop("not alerted", None, f"{marker.record_id} alerted its window: {key}")
        for key, marker in alerts.items()
        if key not in own
    ]
    if letter:
        hops.append(Hop("dead-lettered", None, f"{letter.reason}; see: stockpipe dlq show {letter.message_id}"))
    outcome: Outcome = "stored" if found else "dead-lettered" if letter else "not found"
    if again and (sent or failures) and depth(environment.aws, queue).total:
        outcome = "on its way"
    return Trace(
        record_id=record_id,
        outcome=outcome,
        record=record,
        message_id=message_id,
        request_id=(found.request_id or None) if found else None,
        key=found.key if found else None,
        latency_ms=stored.latency_ms if stored else None,
        alert_marker=next(iter(own or alerts), None),
        sns_message_id=next((marker.sns_message_id for marker in own.values()), None),
        reason=letter.reason if letter else _failing(failures, again) if outcome == "on its way" else None,
        hops=_in_order(hops),
    )


def _sent(environment: Environment, some_id: str) -> Sent | None:
    """The record in this machine's manifests, the latest first."""
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


def _stored_hops(environment: Environment, found: Found, stored: Stored[Any]) -> list[Hop]:
    lines = _lines_of(environment, found.request_id, stored.sent_ms)
    ended = next((line for line in lines if line.level == "REPORT"), None)
    reported = next((line for line in lines if line.message == BATCH_PROCESSED), None)
    by = f"Lambda request {found.request_id}" if found.request_id else "the request isn't known: compaction drops it"
    hops = [
        Hop("received", _received_ms(lines, stored), by),
        Hop("processed", stored.processed_ms, "valid; record built"),
        Hop("stored", max(reported.at_ms, stored.processed_ms) if reported else None, found.key),
    ]
    if ended:
        hops.append(Hop("answered", ended.at_ms, f"invocation took {ended.fields.get('duration', '?')}"))
    return hops


def _received_ms(lines: list[Line], stored: Stored[Any]) -> int | None:
    """When the invocation began. Emulators stamp START at the end of an invocation, so its duration counts, too."""
    begun = [line.at_ms for line in lines if line.level == "START"]
    begun += [ended.at_ms - round(ended.duration_ms) for line in lines if (ended := line.invocation)]
    return min(max(min(begun), stored.sent_ms), stored.processed_ms) if begun else None


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


def _alerts(function: LiveFunction, record: Record | None) -> dict[str, Marker]:
    """The published markers of the record's alert windows by key. A window's alert may be about another record."""
    keys = function.alert_windows(record) if record else ()
    return {key: marker for key, marker in read_markers(function.environment, keys) if marker.is_published}


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


def _failing(failures: list[FailedDelivery], again: Redelivery | None) -> str | None:
    """`failed 2 times so far: the reason; a failed message is delivered again …`."""
    if not failures or again is None:
        return None
    times = "once" if len(failures) == 1 else f"{len(failures)} times"
    return f"failed {times} so far: {failures[-1].reason}; {again.text}"


def _in_order(hops: list[Hop]) -> tuple[Hop, ...]:
    """By time. A hop without a time stays behind the hop before it."""
    known = (hop.at_ms for hop in hops)
    times: Iterator[int | None] = accumulate(known, lambda latest, at: latest if at is None else at)
    return tuple(hop for _, hop in sorted(zip(times, hops, strict=True), key=lambda pair: pair[0] or 0))
