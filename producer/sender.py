"""Records to SQS: batches of ten, several at once, and entries that SQS could not accept are sent again.

An entry counts as sent only if the answer clearly says so: it is in `Successful` once and not in `Failed`, with a
message id and the MD5 of its body. Other outcomes (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
APIReference/API_SendMessageBatch.html):

- entries fail: those whose `SenderFault` is true are reported, since the same entry would be refused again; the others
  are sent again, with backoff, and so is every entry whose outcome the answer doesn't show;
- the call as a whole fails because the service can't be reached, is throttling, broken or just coming up again, or its
  answer can't be read: all its entries are sent again. If only the answer was lost, the queue then holds the record
  twice under one id, which the pipeline stores once;
- the call is refused for another reason (access denied …): sending ends, with that reason.

A batch fails after `PATIENCE_SECONDS`. If SQS has accepted nothing of any batch for that long, the run ends.
"""

import hashlib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError
from tenacity import RetryCallState, Retrying, retry_if_result, wait_exponential, wait_random

from producer.manifest import Sent, is_message_id
from profiles.environment import MISSING_QUEUE_CODES
from profiles.errors import CannotRunError
from runtime.clock import Clock
from runtime.contract import Contract
from runtime.fields import Record
from terminal.untrusted import one_line

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH_SIZE = 10
WORKERS = 8
PATIENCE_SECONDS = 90.0  # a restarted emulator is up, and has its queue again, well within this time
ATTEMPTS_AFTER_STOP = 3
FINISH_SECONDS = 5.0  # how long a stopped run waits for the answers that are still to come
_LOOK_SECONDS = 0.05
_CALL_SECONDS = 20.0  # longer than an attempt and the pause after it, unless its answer comes byte by byte

# Each attempt is one short call. The retries are made here and not by botocore, so a stopped run can end them.
CLIENT_SETTINGS: Mapping[str, Any] = {"read_timeout": 10, "retries": {"mode": "standard", "total_max_attempts": 1}}

_PASSING_STATUSES = frozenset({408, 429})  # and everything from 500
_PASSING_CODES = frozenset(
    {
        "KMS.ThrottlingException",
        "KmsThrottled",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        *MISSING_QUEUE_CODES,
    }
)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A record that was not sent, and what SQS said last."""

    record_id: str
    code: str
    message: str
    sender_fault: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer says about one entry: its message id, or the code and message of its error."""

    message_id: str | None = None
    code: str = "MalformedAnswer"
    message: str = "the answer does not say what became of this entry"
    sender_fault: bool = False


def read_answer(answer: Any, bodies: Mapping[str, str]) -> dict[str, Verdict]:
    """The verdict on each entry of a batch, by its Id. `bodies` has the message bodies; the answer may be anything."""
    successful, failed = _by_id(answer, "Successful"), _by_id(answer, "Failed")
    return {each: _verdict(successful.get(each, []), failed.get(each, []), body) for each, body in bodies.items()}


def _verdict(successful: list[dict[str, Any]], failed: list[dict[str, Any]], body: str) -> Verdict:
    if len(successful) == 1 and not failed:
        message_id, md5 = successful[0].get("MessageId"), successful[0].get("MD5OfMessageBody")
        if not is_message_id(message_id):
            return Verdict(message="the answer has no message id for this entry")
        if md5 != hashlib.md5(body.encode(), usedforsecurity=False).hexdigest():
            return Verdict(message="the answer has the MD5 of another message body")  # botocore doesn't compare it
        return Verdict(message_id)
    if len(failed) == 1 and not successful:
        code, message, fault = (failed[0].get(field) for field in ("Code", "Message", "SenderFault"))
        return Verdict(code=_line(code or "Unknown"), message=_line(message or ""), sender_fault=fault is True)
    return Verdict()


def _by_id(answer: Any, field: str) -> dict[str, list[dict[str, Any]]]:
    entries = answer.get(field) if isinstance(answer, dict) else None
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("Id"), str):
            found.setdefault(entry["Id"], []).append(entry)
    return found


@dataclass(eq=False)
class _Delivery:
    """One batch: which of its records are still to be sent, and the last verdict on each of them, by id."""

    pending: list[Record]
    last: dict[str, Verdict] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)  # each record is settled once, by one thread

    @property
    def last_answer(self) -> str:
        """The last verdict on one of the records that are still to be sent."""
        last = next((self.last[one.id] for one in self.pending if one.id in self.last), Verdict())
        return f"{last.code} {last.message}".strip()


class Sender:
    """Sends batches from threads of its own, which never keep the process from ending.

    `accepted` and `failed` are called from those threads; if `accepted` raises, sending ends with that error. `submit`
    blocks while there are two batches for each worker: a slow queue slows its producer down, and memory stays bounded.
    Once `stop` is set, the clock has reached `stop_at`, or sending has ended with an error, requests in flight have
    `FINISH_SECONDS` left. After that their records count as failed, and later answers are ignored.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        contract: Contract[Any],
        *,
        accepted: Callable[[Sequence[Sent]], None],
        failed: Callable[[Sequence[Unsent]], None],
        clock: Clock,
        stop: threading.Event,
        stop_at: float | None = None,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._contract = contract
        self._accepted = accepted
        self._failed = failed
        self._clock = clock
        self._stop = stop
        self._stop_at = stop_at
        self._changed = threading.Condition()
        self._waiting: queue.SimpleQueue[_Delivery | None] = queue.SimpleQueue()
        self._under_way: set[_Delivery] = set()
        self.late = False  # whether it was `stop_at` that stopped it
        self._ends: float | None = None  # when a stopped run no longer waits
        self._silent_since: float | None = None  # the first attempt since SQS last accepted a record
        self._error: BaseException | None = None
        for number in range(WORKERS):
            threading.Thread(target=self._work, name=f"sender-{number}", daemon=True).start()

    def submit(self, records: Sequence[Record]) -> None:
        """Send up to ten records soon. If sending has ended for an error, they count as failed and it is raised."""
        delivery = _Delivery(list(records))
        with self._changed:
            while not (free := len(self._under_way) < 2 * WORKERS) and self._error is None and not self._out_of_time():
                self._changed.wait(_LOOK_SECONDS)
            if free and self._error is None:
                self._under_way.add(delivery)
                self._waiting.put(delivery)
                return
        self._give_up(delivery, "NotSent", "sending had ended")
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait until everything that was submitted is accepted or has failed."""
        with self._changed:
            while self._under_way and not self._out_of_time():
                self._changed.wait(_LOOK_SECONDS)
        self.abandon()
        for _ in range(WORKERS):
            self._waiting.put(None)

    def abandon(self) -> None:
        """Stop waiting: records in flight count as failed from now on, and later answers are ignored."""
        with self._changed:
            left, self._under_way = self._under_way, set()
        for delivery in left:
            reason = "no answer in time; SQS may have it. --resume sends it again, with the same id"
            self._give_up(delivery, "NoAnswer", reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        if error is None:
            self._check()

    def _silence(self, now: float) -> float:
        """Seconds since the first attempt after SQS last accepted a record, as long as a request is in flight."""
        since = self._silent_since  # read once: other threads set it
        return 0.0 if since is None else now - since

    def _given_up(self, now: float, last_answer: str) -> CannotRunError:
        return CannotRunError(
            f"SQS accepted nothing for {self._silence(now):.0f} s, so the run was stopped: {last_answer}. "
            "Once SQS answers, send the rest with --resume"
        )

    def _out_of_time(self) -> bool:
        """Whether the run was stopped, or failed, so long ago that it doesn't wait for answers any more."""
        now = self._clock.monotonic()
        if self._error is None and self._silence(now) >= PATIENCE_SECONDS + _CALL_SECONDS:
            self._error = self._given_up(now, "calls do not return")
        if self._stop_at is not None and now >= self._stop_at and not self._stop.is_set():
            self.late = True
            self._stop.set()
        if self._ends is None and (self._stop.is_set() or self._error is not None):
            self._ends = now + FINISH_SECONDS
        return self._ends is not None and now >= self._ends

    def _work(self) -> None:
        while (delivery := self._waiting.get()) is not None:
            try:
                self._deliver(delivery)
            except BaseException as error:
                self._give_up(delivery, "NotSent", _line(error))
                self._error = self._error or error
            finally:
                with self._changed:
                    self._under_way.discard(delivery)
                    if not self._under_way:
                        self._silent_since = None
                    self._changed.notify_all()

    def _deliver(self, delivery: _Delivery) -> None:
        if self._error is not None:
            self._give_up(delivery, "NotSent", "sending had ended")
            return
        began = self._clock.monotonic()

        def attempt() -> bool:
            if self._silent_since is None:
                self._silent_since = self._clock.monotonic()
            if self._attempt(delivery):
                self._silent_since = None
            return bool(delivery.pending)

        def gives_up(state: RetryCallState) -> bool:
            now = self._clock.monotonic()
            stopped = self._stop.is_set() and state.attempt_number >= ATTEMPTS_AFTER_STOP
            if stopped or self._error is not None or now - began >= PATIENCE_SECONDS:
                return True
            if self._silence(now) >= PATIENCE_SECONDS:
                raise self._given_up(now, delivery.last_answer)
            return False

        Retrying(
            retry=retry_if_result(bool),
            wait=wait_exponential(multiplier=0.1, max=5.0) + wait_random(0, 0.1),
            stop=gives_up,
            sleep=lambda seconds: self._clock.wait(self._stop, float(seconds)),
            retry_error_callback=lambda _: self._give_up(delivery, "NotSent", ""),
        )(attempt)

    def _attempt(self, delivery: _Delivery) -> bool:
        """Send what is pending; whether SQS accepted or refused any of it for good."""
        entries = {str(place): record for place, record in enumerate(delivery.pending)}
        if not entries:  # given up by another thread meanwhile
            return False
        bodies = {each: self._contract.encode(record) for each, record in entries.items()}
        try:
            answer = self._sqs.send_message_batch(
                QueueUrl=self._queue_url,
                Entries=[{"Id": each, "MessageBody": body} for each, body in bodies.items()],
            )
        except CannotRunError:  # the request is not for the profile's endpoint, and was not sent
            raise
        except Exception as error:  # malformed answers make botocore raise anything: AttributeError for `[]`
            if not _is_passing(error):
                raise CannotRunError(f"SQS refused the {self._contract.plural}: {_line(error)}") from error
            verdicts = dict.fromkeys(bodies, Verdict(code=_code(error), message=_line(error)))
        else:
            verdicts = read_answer(answer, bodies)
        with delivery.lock:
            return bool(delivery.pending) and self._settle(delivery, entries, verdicts)

    def _settle(self, delivery: _Delivery, entries: Mapping[str, Record], verdicts: Mapping[str, Verdict]) -> bool:
        sent, refused, again = [], [], []
        for each, record in entries.items():
            verdict = verdicts[each]
            if verdict.message_id is not None:
                sent.append(Sent(record, verdict.message_id))
            elif verdict.sender_fault:
                refused.append(Unsent(record.id, verdict.code, verdict.message, sender_fault=True))
            else:
                again.append(record)
                delivery.last[record.id] = verdict
        delivery.pending = again
        if refused:
            self._failed(refused)
        if sent:
            self._accepted(sent)
        return bool(sent or refused)

    def _give_up(self, delivery: _Delivery, code: str, message: str) -> None:
        """Report what is still pending as failed, with the last verdict on it, or else the given one."""
        with delivery.lock:
            left, delivery.pending = delivery.pending, []
        if left:
            verdicts = [(one.id, delivery.last.get(one.id, Verdict(code=code, message=message))) for one in left]
            self._failed([Unsent(each, last.code, last.message, sender_fault=False) for each, last in verdicts])


def _code(error: Exception) -> str:
    return (
        error.response.get("Error", {}).get("Code", "Unknown")
        if isinstance(error, ClientError)
        else type(error).__name__
    )


def _line(value: object) -> str:
    """A foreign text, on one line of limited length: a proxy may answer with a whole page."""
    return one_line(str(value), 200)


def _is_passing(error: Exception) -> bool:
    """Whether the same call may succeed a little later: not if credentials or parameters are the cause."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status in _PASSING_STATUSES or _code(error) in _PASSING_CODES
    return isinstance(error, HTTPClientError | BotoConnectionError | IncompleteReadError) or not isinstance(
        error, BotoCoreError
    )
