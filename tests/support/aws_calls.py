"""Watching and disturbing the API calls of an `Aws`, inside botocore: what is sent, and what comes back.

botocore's `before-call` event comes after a call's parameters are validated and serialised. A handler that returns an
answer replaces the network; one that raises is like a process that dies at that very moment.
https://botocore.amazonaws.com/v1/documentation/api/latest/topics/events.html
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from profiles.session import Aws

SERVICES = ("athena", "cloudwatch", "glue", "iam", "lambda", "logs", "s3", "sns", "sqs")
READ_ONLY = ("Describe", "Get", "Head", "List")

Answer = tuple[AWSResponse, dict[str, Any]]
# Gets the operation and its parameters; None lets the call go on to the endpoint.
Interceptor = Callable[[str, Mapping[str, Any]], Answer | None]


@dataclass(frozen=True)
class Sent:
    """One call as the caller made it."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    @property
    def mutating(self) -> bool:
        return not self.operation.startswith(READ_ONLY)


@dataclass
class Recorder:
    """The calls of one `Aws`, in the order in which they were made. `intercept` may answer in the endpoint's place."""

    sent: list[Sent] = field(default_factory=list)
    intercept: Interceptor | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _parameters: threading.local = field(default_factory=threading.local)

    @property
    def operations(self) -> list[str]:
        return [call.operation for call in self.sent]

    @property
    def mutations(self) -> list[Sent]:
        return [call for call in self.sent if call.mutating]

    def forget(self) -> None:
        self.sent.clear()

    def _given(self, params: Mapping[str, Any], **_: Any) -> None:
        self._parameters.value = dict(params)

    def _calling(self, model: Any, **_: Any) -> Answer | None:
        call = Sent(model.service_model.service_name, model.name, self._parameters.value)
        with self._lock:
            self.sent.append(call)
        return self.intercept(call.operation, call.parameters) if self.intercept else None


def record(aws: Aws) -> Recorder:
    """Watch all calls of `aws` from now on. Use an `Aws` of the test's own: the watching doesn't end."""
    recorder = Recorder()
    for service in SERVICES:
        events = aws.client(service).meta.events
        events.register_first("provide-client-params.*.*", recorder._given)
        events.register("before-call.*.*", recorder._calling)
    return recorder


def refusal(code: str, message: str, status: int = 400) -> Answer:
    """An error as AWS answers it."""
    return _response(status), {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }


def acceptance(**fields: Any) -> Answer:
    """A good answer."""
    return _response(200), {**fields, "ResponseMetadata": {"HTTPStatusCode": 200}}


def refuse_times(times: int, operation: str, code: str, message: str, status: int = 400) -> Interceptor:
    """Refuse the first calls of one operation; then let everything through."""
    left = [times]

    def intercept(called: str, _: Mapping[str, Any]) -> Answer | None:
        if called == operation and left[0] > 0:
            left[0] -= 1
            return refusal(code, message, status)
        return None

    return intercept


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class HurriedClock:
    """Time that passes a hundred times as fast, for waiting on a real engine with patience meant for AWS."""

    def __init__(self) -> None:
        self.slept = 0.0

    def monotonic(self) -> float:
        return time.monotonic() * 100

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        time.sleep(seconds / 100)


def _response(status: int) -> AWSResponse:
    return AWSResponse("https://aws.invalid", status, HTTPHeaders(), None)
