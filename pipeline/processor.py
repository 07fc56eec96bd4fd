"""One SQS batch: which of its messages become records and alerts, and which ones fail, each for a reason of its own.

Powertools' BatchProcessor takes messages one by one. Here they depend on each other: the ticks of a window share one
alert, and with the layout `batch` those of a symbol share one object. The answer to Lambda has the same shape.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pipeline.alerts import Alerter
from pipeline.deadline import Deadline, OutOfTimeError
from pipeline.storage import Received, Store, Stored
from pipeline.tick import InvalidTickError, Tick, alert_marker_key, parse

EXCERPT_CHARACTERS = 200


class MalformedEventError(ValueError):
    """The event is no SQS batch. Raised, so that whoever sent it keeps it: an empty answer would mean success."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that is left to SQS: `rejected` = no tick, for ever; otherwise worth another delivery.

    `body` is an excerpt in ASCII. `message_id` is empty where the message has none: AWS then redelivers the batch.
    """

    message_id: str
    reason: str
    rejected: bool
    body: str
    tick_id: str | None = None


@dataclass(slots=True)
class BatchResult:
    """What became of a batch. `latencies_ms` has an entry for each tick that is stored now.

    `alerts_published` counts windows, `alerts_suppressed` breaching ticks whose window has its alert already.
    """

    failures: list[Failure] = field(default_factory=list)
    latencies_ms: list[int] = field(default_factory=list)
    duplicates: int = 0
    alerts_published: int = 0
    alerts_suppressed: int = 0

    @property
    def stored(self) -> int:
        """Ticks that are stored now and weren't before."""
        return len(self.latencies_ms)

    def response(self) -> dict[str, list[dict[str, str]]]:
        """The partial batch response."""
        return {"batchItemFailures": [{"itemIdentifier": failure.message_id} for failure in self.failures]}


class Processor:
    """Processes batches. `pool` runs the calls to AWS; nothing else is shared between batches."""

    def __init__(
        self, alerter: Alerter, store: Store, pool: ThreadPoolExecutor, *, threshold: float, cooldown_seconds: int
    ) -> None:
        self._alerter = alerter
        self._store = store
        self._pool = pool
        self._threshold = threshold
        self._cooldown_seconds = cooldown_seconds

    def process(self, event: Any, *, request_id: str, deadline: Deadline) -> BatchResult:
        """Store, alert, or fail each message of `event`.

        An object without alerts is stored at once, so that problems with SNS don't affect its ticks. One with alerts is
        stored after them, without the ticks whose alert can't be sent: these are stored only once it has been sent.
        Calls that still run at the deadline aren't waited for, and send no other request. Raises `MalformedEventError`.
        """
        try:
            return self._process(event, request_id, deadline)
        finally:
            deadline.end()

    def _process(self, event: Any, request_id: str, deadline: Deadline) -> BatchResult:
        result = BatchResult()
        groups = self._store.objects(self._received(event, result))
        quiet = [group for group in groups if not any(item.alert for item in group)]
        loud = [group for group in groups if any(item.alert for item in group)]
        puts = [(group, self._pool.submit(self._store.put, group, request_id, deadline)) for group in quiet]
        unalerted = self._alert([item for group in loud for item in group if item.alert], deadline, result)
        for group in loud:
            items = [item for item in group if not (item.alert and self._marker_key(item.tick) in unalerted)]
            if items:
                puts.append((items, self._pool.submit(self._store.put, items, request_id, deadline)))
        for group, put in puts:
            self._count(group, put, deadline, result)
        return result

    def _received(self, event: Any, result: BatchResult) -> list[Received]:
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list):
            raise MalformedEventError("the event has no list of Records: this function processes SQS batches")
        received = []
        for record in records:
            fields = record if isinstance(record, dict) else {}
            message_id = fields.get("messageId")
            message_id = message_id if isinstance(message_id, str) else ""
            body = fields.get("body")
            try:
                tick, sent_timestamp_ms = _read(fields, message_id, body)
            except InvalidTickError as error:
                result.failures.append(Failure(message_id, str(error), rejected=True, body=_excerpt(body)))
            else:
                received.append(Received(message_id, sent_timestamp_ms, tick, alert=tick.price >= self._threshold))
        return received

    def _alert(self, items: list[Received], deadline: Deadline, result: BatchResult) -> set[str]:
        """One alert per window, about its earliest tick. Returns the markers of the windows that have none."""
        windows: dict[str, list[Received]] = {}
        for item in items:
            windows.setdefault(self._marker_key(item.tick), []).append(item)
        calls = {
            key: self._pool.submit(self._alerter.ensure, key, min(members, key=_moment).tick, deadline)
            for key, members in windows.items()
        }
        unalerted = set()
        for key, call in calls.items():
            error = _error(call, deadline)
            if error is not None:
                unalerted.add(key)
                result.failures.extend(_failure(item, "not alerted", error) for item in windows[key])
                continue
            published = int(call.result())
            result.alerts_published += published
            result.alerts_suppressed += len(windows[key]) - published
        return unalerted

    def _count(self, group: list[Received], put: Future[Stored], deadline: Deadline, result: BatchResult) -> None:
        error = _error(put, deadline)
        if error is not None:
            result.failures.extend(_failure(item, "not stored", error) for item in group)
            return
        stored = put.result()
        result.latencies_ms.extend(stored.latencies_ms)
        result.duplicates += stored.duplicates

    def _marker_key(self, tick: Tick) -> str:
        return alert_marker_key(tick, cooldown_seconds=self._cooldown_seconds)


def _read(fields: dict[str, Any], message_id: str, body: Any) -> tuple[Tick, int]:
    if not isinstance(body, str):
        raise InvalidTickError("the message has no body")
    attributes = fields.get("attributes")
    sent = attributes.get("SentTimestamp") if isinstance(attributes, dict) else None
    if not (isinstance(sent, str) and sent.isascii() and sent.isdigit() and len(sent) <= 13):
        raise InvalidTickError("the message has no SentTimestamp in milliseconds")
    return parse(body, message_id=message_id, sent_timestamp_ms=int(sent)), int(sent)


def _error(call: Future[Any], deadline: Deadline) -> BaseException | None:
    try:
        return call.exception(timeout=deadline.seconds_left())
    except TimeoutError:
        call.cancel()  # where it hasn't begun
        return OutOfTimeError()


def _moment(item: Received) -> tuple[int, str]:
    return item.tick.epoch_ms, item.tick.tick_id


def _failure(item: Received, what: str, error: BaseException) -> Failure:
    reason = f"{what}: {type(error).__name__}: {error}"
    return Failure(item.message_id, reason, rejected=False, body="", tick_id=item.tick.tick_id)


def _excerpt(body: Any) -> str:
    """The start of a body in ASCII: control characters and broken Unicode must not reach a terminal or a log reader."""
    return ascii(body[:EXCERPT_CHARACTERS])[1:-1][:EXCERPT_CHARACTERS] if isinstance(body, str) else ""
