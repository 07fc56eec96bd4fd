"""Ticks to SQS: batches of ten, several at once, and what SQS could not take is sent again.

What may go wrong, and what is done (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
API_SendMessageBatch.html):

- single entries fail: those whose `SenderFault` is false are sent again, with backoff; the others never, since the same
  entry would be refused again;
- the call as a whole fails because the service can't be reached, is throttling, broken or just coming up again: all its
  entries are sent again. If only the answer was lost, the queue then holds the tick twice under one id, which the
  pipeline stores once;
- the call is refused for another reason (access denied …): sending ends, with that reason.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from tenacity import RetryCallState, Retrying, retry_if_result, wait_exponential, wait_random

from pipeline.tick import Tick, encode
from producer.clock import Clock
from producer.manifest import Sent
from profiles.environment import MISSING_QUEUE_CODES
from profiles.errors import CannotRunError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH_SIZE = 10
WORKERS = 8
PATIENCE_SECONDS = 90.0  # a restarted emulator is up, and has its queue again, well within this time
ATTEMPTS_AFTER_STOP = 3

_THROTTLING_CODES = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "TooManyRequestsException"}
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A tick that was not sent, and what SQS said last."""

    tick_id: str
    code: str
    message: str
    sender_fault: bool


class Sender:
    """Sends batches from a pool of threads.

    `accepted` and `failed` are called from those threads; if `accepted` raises, sending ends with that error. `submit`
    blocks while two batches a worker are on their way: a slow queue slows its producer down, and memory stays bounded.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        *,
        accepted: Callable[[Sequence[Sent]], None],
        failed: Callable[[Sequence[Failure]], None],
        clock: Clock,
        stop: threading.Event,
        workers: int = WORKERS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._accepted = accepted
        self._failed = failed
        self._clock = clock
        self._stop = stop
        self._patience = patience
        self._places = threading.BoundedSemaphore(2 * workers)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="sender")
        self._error: BaseException | None = None

    def submit(self, ticks: Sequence[Tick]) -> None:
        """Send up to ten ticks soon. If sending has ended for an error, they count as failed and it is raised."""
        self._places.acquire()
        self._pool.submit(self._deliver, tuple(ticks))
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait until everything that was submitted is accepted or has failed."""
        self._pool.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        if error is None:
            self._check()

    def _deliver(self, ticks: tuple[Tick, ...]) -> None:
        delivery = _Delivery(self._sqs, self._queue_url, ticks, self._accepted, self._failed)
        began = self._clock.monotonic()

        def give_up(state: RetryCallState) -> bool:
            if self._stop.is_set() and state.attempt_number >= ATTEMPTS_AFTER_STOP:
                return True
            return self._clock.monotonic() - began >= self._patience

        try:
            if self._error is not None:
                delivery.give_up("NotSent", "sending had ended")
                return
            Retrying(
                retry=retry_if_result(bool),
                wait=wait_exponential(multiplier=0.1, max=5.0) + wait_random(0, 0.1),
                stop=give_up,
                sleep=lambda seconds: self._clock.wait(self._stop, float(seconds)),
                retry_error_callback=lambda _: delivery.give_up(),
            )(delivery.attempt)
        except BaseException as error:
            delivery.give_up("NotSent", str(error))
            self._error = self._error or error
        finally:
            self._places.release()


class _Delivery:
    """One batch on its way: what of it is still to be sent, and why."""

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        ticks: tuple[Tick, ...],
        accepted: Callable[[Sequence[Sent]], None],
        failed: Callable[[Sequence[Failure]], None],
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._pending = list(ticks)
        self._accepted = accepted
        self._failed = failed
        self._last: dict[str, tuple[str, str]] = {}  # tick id → code and message of its last failure

    def attempt(self) -> bool:
        """Send what is pending; whether something is to be sent again."""
        entries = self._pending
        try:
            answer = self._sqs.send_message_batch(
                QueueUrl=self._queue_url,
                Entries=[{"Id": str(place), "MessageBody": encode(tick)} for place, tick in enumerate(entries)],
            )
        except (ClientError, HTTPClientError, BotoConnectionError) as error:
            code = _code(error)
            if isinstance(error, ClientError) and not _is_passing(error):
                raise CannotRunError(f"SQS refused the ticks: {error}") from error
            self._last = {tick.tick_id: (code, str(error)) for tick in entries}
            return True
        sent = [Sent(entries[int(entry["Id"])], entry["MessageId"]) for entry in answer.get("Successful", [])]
        refused, again = [], []
        for entry in answer.get("Failed", []):
            tick, code, message = entries[int(entry["Id"])], entry["Code"], entry.get("Message", "")
            if entry["SenderFault"]:
                refused.append(Failure(tick.tick_id, code, message, sender_fault=True))
            else:
                again.append(tick)
                self._last[tick.tick_id] = (code, message)
        self._pending = again
        if sent:
            self._accepted(sent)
        if refused:
            self._failed(refused)
        return bool(again)

    def give_up(self, code: str = "NotSent", message: str = "") -> None:
        """Report what is still pending as failed, with the last answer for it, or else the given one."""
        reasons = [(tick, self._last.get(tick.tick_id, (code, message))) for tick in self._pending]
        self._pending = []
        if reasons:
            self._failed([Failure(tick.tick_id, *reason, sender_fault=False) for tick, reason in reasons])


def _code(error: ClientError | HTTPClientError | BotoConnectionError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


def _is_passing(error: ClientError) -> bool:
    """Whether the same call may succeed a little later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or _code(error) in _THROTTLING_CODES.union(MISSING_QUEUE_CODES)
