"""LocalStack's poller of SQS queues, changed so that it delivers every message exactly as SQS has it.

LocalStack 4.14 parses each body as JSON and serializes it again. If its parser fails on a body (20,000 opening
brackets, an integer of 4,301 digits), the whole poll fails, so the other messages of the batch are lost, too. Here a
body is text. Only the event that a filter is matched against has the parsed body.
"""

import inspect
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localstack.services.lambda_.event_source_mapping import esm_worker_factory
from localstack.services.lambda_.event_source_mapping.event_processor import PartialBatchFailureError
from localstack.services.lambda_.event_source_mapping.pipe_utils import to_json_str
from localstack.services.lambda_.event_source_mapping.pollers import sqs_poller
from localstack.services.lambda_.event_source_mapping.pollers.poller import parse_batch_item_failures
from localstack.utils.event_matcher import matches_event

LOG = logging.getLogger(__name__)

# What is used of LocalStack's poller or replaced in it, as 4.14.0 has it.
_INTERFACE = {
    "handle_messages": ["self", "messages"],
    "filter_events": ["self", "events"],
    "add_source_metadata": ["self", "events", "extra_metadata"],
    "delete_messages": ["self", "messages", "message_ids_to_delete"],
}
# A synchronous invocation takes 6 MB; Lambda splits a batch that is larger.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_ENVELOPE_BYTES = len('{"Records": []}')
_SEPARATOR_BYTES = len(", ")

Message = dict[str, Any]


class InterfaceError(Exception):
    """This LocalStack's poller is not the one that is replaced here."""


class ExactSqsPoller(sqs_poller.SqsPoller):
    """Delivers batches of one queue to one function."""

    def handle_messages(self, messages: Sequence[Message]) -> None:
        """Deliver the messages, and delete those that the function has processed or that no filter matches."""
        events = sqs_poller.transform_into_events(messages)
        matching = self.filter_events(events)
        kept = {event["messageId"] for event in matching}
        self.delete_messages(messages, {message["MessageId"] for message in messages} - kept)
        for batch in _payloads(self.add_source_metadata(matching)):
            try:
                self._deliver(messages, batch)
            except Exception as error:  # SQS delivers this part again; the next part doesn't wait for that
                LOG.warning("a batch of %d messages from %s failed: %s", len(batch), self.source_arn, error)

    def filter_events(self, events: list[Message]) -> list[Message]:
        """The events that match a filter of the mapping, unchanged; all of them where there is no filter.

        A filter for a JSON body does not match text, and one for text does not match a JSON body:
        https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
        """
        if not self.filter_patterns:
            return events
        return [event for event in events if self._matches(event)]

    def _matches(self, event: Message) -> bool:
        try:
            parsed = {**event, "body": _filterable(event["body"])}
            return any(
                _can_match(pattern, parsed) and matches_event(pattern, parsed) for pattern in self.filter_patterns
            )
        except Exception as error:  # any error of the body: a message that isn't delivered would be deleted
            LOG.warning("no filter of %s can be applied to message %s: %s", self.source_arn, event["messageId"], error)
            return True

    def _deliver(self, messages: Sequence[Message], batch: list[Message]) -> None:
        sent = {event["messageId"] for event in batch}
        try:
            self.processor.process_events_batch(batch)
            failed: set[str] = set()
        except PartialBatchFailureError as error:
            failed = set(parse_batch_item_failures(error.partial_failure_payload, sent))
        self.delete_messages(messages, sent - failed)


def install() -> None:
    """Have every event source mapping of a queue use it. Raises `InterfaceError`."""
    original = getattr(esm_worker_factory, "SqsPoller", None)
    for name, parameters in _INTERFACE.items():
        method = getattr(original, name, None)
        if method is None or list(inspect.signature(method).parameters) != parameters:
            wanted = f"SqsPoller.{name}({', '.join(parameters)})"
            raise InterfaceError(f"LocalStack has no {wanted}: the package lambda_process is made for 4.14.0")
    esm_worker_factory.SqsPoller = ExactSqsPoller


def _filterable(body: str) -> Any:
    """What a filter is matched against: the JSON document that a body is, or else its text."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return body if isinstance(document, str) else document


def _can_match(pattern: Mapping[str, Any], event: Message) -> bool:
    """A pattern for fields of the body is for JSON objects; `exists: false` would match any text."""
    return not isinstance(pattern.get("body"), dict) or isinstance(event["body"], dict)


def _payloads(events: list[Message]) -> Iterator[list[Message]]:
    """The events, in as many parts as the payload limit needs."""
    part: list[Message] = []
    size = _ENVELOPE_BYTES
    for event in events:
        length = len(to_json_str(event)) + _SEPARATOR_BYTES
        if part and size + length > _MAX_PAYLOAD_BYTES:
            yield part
            part, size = [], _ENVELOPE_BYTES
        part.append(event)
        size += length
    if part:
        yield part
