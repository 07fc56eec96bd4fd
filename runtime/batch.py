"""One SQS batch: which of its messages become records and alerts, and which ones fail, each for a reason of its own.

Powertools' BatchProcessor takes messages one by one. Here they depend on each other: the records of a window share one
alert, and with the layout `batch` those of a group share one object. The answer to Lambda has the same shape.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic

from runtime.alerts import Alerter, Rule
from runtime.contract import Contract, R, moment
from runtime.deadline import Deadline, OutOfTimeError
from runtime.fields import InvalidRecordError
from runtime.settings import S
from runtime.storage import Outcome, Received, Store

EXCERPT_CHARACTERS = 200


class MalformedEventError(ValueError):
    """The event is not an SQS batch. It is raised, because an empty answer would mean success."""


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A message that SQS keeps. `rejected`: it is not a valid record; otherwise another delivery may succeed.

    `body` is an excerpt in ASCII. `message_id` is empty where the message has none: AWS then redelivers the batch.
    """

    message_id: str
    reason: str
    rejected: bool
    body: str
    record_id: str | None = None


@dataclass(slots=True)
class BatchResult:
    """The outcome of a batch. `latencies_ms` has an entry for each record that is stored now.

    `alerts_published` counts windows, `alerts_suppressed` further records to be alerted whose window has its alert.
    """

    failures: list[FailedMessage] = field(default_factory=list)
    latencies_ms: list[int] = field(default_factory=list)
    duplicates: int = 0
    alerts_published: int = 0
    alerts_suppressed: int = 0

    @property
    def stored(self) -> int:
        """Records that are stored now and weren't before."""
        return len(self.latencies_ms)

    def response(self) -> dict[str, list[dict[str, str]]]:
        """The partial batch response."""
        return {"batchItemFailures": [{"itemIdentifier": failure.message_id} for failure in self.failures]}


@dataclass(frozen=True)
class Processor(Generic[R, S]):
    """Processes batches. `pool` runs the calls to AWS; nothing else is shared between batches."""

    contract: Contract[R]
    rules: tuple[Rule[R, S], ...]
    settings: S
    alerter: Alerter[R, S]
    store: Store[R]
    pool: ThreadPoolExecutor

    def process(self, event: Any, *, request_id: str, deadline: Deadline) -> BatchResult:
        """Store, alert, or fail each message of `event`.

        An object without alerts is stored at once, so that problems with SNS don't affect its records. One with alerts
        is stored after them, without the records whose alert can't be sent: these are stored only once it was sent.
        At the deadline it stops waiting for calls; those send no other request. Raises `MalformedEventError`.
        """
        try:
            return self._process(event, request_id, deadline)
        finally:
            deadline.end()

    def _process(self, event: Any, request_id: str, deadline: Deadline) -> BatchResult:
        result = BatchResult()
        groups = self.store.objects(self._received(event, result))
        quiet = [group for group in groups if not any(item.rules for item in group)]
        loud = [group for group in groups if any(item.rules for item in group)]
        puts = [(group, self.pool.submit(self.store.put, group, request_id, deadline)) for group in quiet]
        unalerted = self._alert([item for group in loud for item in group if item.rules], deadline, result)
        for group in loud:
            items = [item for item in group if id(item) not in unalerted]
            if items:
                puts.append((items, self.pool.submit(self.store.put, items, request_id, deadline)))
        for group, put in puts:
            self._count(group, put, deadline, result)
        return result

    def _received(self, event: Any, result: BatchResult) -> list[Received[R]]:
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list):
            raise MalformedEventError("the event has no list of Records: this function processes SQS batches")
        received = []
        for one in records:
            fields = one if isinstance(one, dict) else {}
            message_id = fields.get("messageId")
            message_id = message_id if isinstance(message_id, str) else ""
            body = fields.get("body")
            try:
                record, sent_timestamp_ms = self._read(fields, message_id, body)
            except InvalidRecordError as error:
                result.failures.append(FailedMessage(message_id, str(error), rejected=True, body=_excerpt(body)))
            else:
                rules = tuple(rule for rule in self.rules if rule.applies(record, self.settings))
                received.append(Received(message_id, sent_timestamp_ms, record, rules))
        return received

    def _read(self, fields: dict[str, Any], message_id: str, body: Any) -> tuple[R, int]:
        if not isinstance(body, str):
            raise InvalidRecordError("the message has no body")
        attributes = fields.get("attributes")
        sent = attributes.get("SentTimestamp") if isinstance(attributes, dict) else None
        if not (isinstance(sent, str) and sent.isascii() and sent.isdigit() and len(sent) <= 13):
            raise InvalidRecordError("the message has no SentTimestamp in milliseconds")
        return self.contract.parse(body, message_id=message_id, sent_timestamp_ms=int(sent)), int(sent)

    def _alert(self, items: list[Received[R]], deadline: Deadline, result: BatchResult) -> set[int]:
        """One alert per window, about its earliest record. Returns the items (their `id`) that lack one of theirs."""
        windows: dict[str, tuple[Rule[R, S], list[Received[R]]]] = {}
        for item in items:
            for rule in item.rules:
                windows.setdefault(self.alerter.key(rule, item.record), (rule, []))[1].append(item)
        calls = {
            key: self.pool.submit(
                self.alerter.ensure, rule, min((item.record for item in members), key=moment), deadline
            )
            for key, (rule, members) in windows.items()
        }
        unalerted: set[int] = set()
        for key, call in calls.items():
            _, members = windows[key]
            error = _error(call, deadline)
            if error is not None:
                failed = [item for item in members if id(item) not in unalerted]
                unalerted.update(map(id, failed))
                result.failures.extend(_failed(item, "not alerted", error) for item in failed)
                continue
            published = int(call.result())
            result.alerts_published += published
            result.alerts_suppressed += len(members) - published
        return unalerted

    def _count(self, group: list[Received[R]], put: Future[Outcome], deadline: Deadline, result: BatchResult) -> None:
        error = _error(put, deadline)
        if error is not None:
            result.failures.extend(_failed(item, "not stored", error) for item in group)
            return
        outcome = put.result()
        result.latencies_ms.extend(outcome.latencies_ms)
        result.duplicates += outcome.duplicates


def _error(call: Future[Any], deadline: Deadline) -> BaseException | None:
    try:
        return call.exception(timeout=deadline.seconds_left())
    except TimeoutError:
        call.cancel()  # if it has not begun
        return OutOfTimeError()


def _failed(item: Received[R], what: str, error: BaseException) -> FailedMessage:
    reason = f"{what}: {type(error).__name__}: {error}"
    return FailedMessage(item.message_id, reason, rejected=False, body="", record_id=item.record.id)


def _excerpt(body: Any) -> str:
    """The start of a body in ASCII: control characters and broken Unicode must not reach a terminal or a log reader."""
    return ascii(body[:EXCERPT_CHARACTERS])[1:-1][:EXCERPT_CHARACTERS] if isinstance(body, str) else ""
