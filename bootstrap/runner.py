"""Carrying out one step against AWS: calls that are retried on temporary errors, and waits.

botocore's standard retry mode (see `profiles.session.CLIENT_CONFIG`) already covers throttling and lost connections;
here is only what botocore can't know.
"""

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

from bootstrap.emptying import Emptying
from bootstrap.model import Call, EmptyBucket, Output, Patience, Step, Wait
from bootstrap.resource import error_code
from profiles.errors import CannotRunError
from profiles.session import Aws
from runtime.clock import Clock

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 5.0


class StepError(CannotRunError):
    """A step failed for good. Its text says what was tried, what AWS said, and what to do."""


class RacedError(Exception):
    """Somebody else changed the resource since the snapshot was taken: look again."""


class _NotYetError(Exception):
    """What a wait waits for hasn't come."""


class Runner:
    """Runs steps. Shared between threads; `outputs` is filled as calls answer.

    `notes`: resource → how far a long step has come, in words.
    """

    def __init__(self, aws: Aws, outputs: Mapping[Output, str], clock: Clock) -> None:
        self._aws = aws
        self._outputs = dict(outputs)
        self._clock = clock
        self._stopped = threading.Event()
        self.notes: dict[str, str] = {}

    def stop(self) -> None:
        """No further call is made: whoever is between two calls ends with a `StepError`."""
        self._stopped.set()

    def run(self, resource: str, step: Step) -> None:
        """Carry out one step of an action on `resource`. Raises `StepError` or `RacedError`."""
        match step:
            case Call():
                self._call(resource, step)
            case Wait():
                self._wait(step)
            case EmptyBucket():
                Emptying(self._aws, step.bucket, self._clock, self._stopped, partial(self._note, resource)).run()

    def _note(self, resource: str, text: str) -> None:
        self.notes[resource] = text

    def _call(self, resource: str, call: Call) -> None:
        try:
            answer = self._patiently(call)
        except ClientError as error:
            code = error_code(error)
            if code in call.accepted:
                return
            if code in call.raced and call.raced_text in str(error):
                raise RacedError(str(error)) from error
            raise StepError(f"{call.operation} was refused: {error}{_advice(call, error)}") from error
        for name in call.outputs:
            self._outputs[Output(resource, name)] = answer[name]

    def _patiently(self, call: Call) -> dict[str, Any]:
        started = self._clock.monotonic()

        def is_over(state: RetryCallState) -> bool:
            found = _patience_for(call, state.outcome.exception() if state.outcome else None)
            return found is None or self._clock.monotonic() - started >= found.seconds

        retrying = Retrying(
            sleep=self._clock.sleep,
            wait=wait_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
            retry=retry_if_exception(lambda error: _patience_for(call, error) is not None),
            stop=is_over,
            reraise=True,
        )
        answer: dict[str, Any] = retrying(self._send, call.service, call.operation, call.parameters)
        return answer

    def _wait(self, wait: Wait) -> None:
        started = self._clock.monotonic()
        retrying = Retrying(
            sleep=self._clock.sleep,
            wait=wait_exponential(multiplier=FIRST_PAUSE_SECONDS, exp_base=1.5, max=LONGEST_PAUSE_SECONDS),
            retry=retry_if_exception(lambda error: isinstance(error, _NotYetError)),
            stop=lambda _: self._clock.monotonic() - started >= wait.seconds,
            reraise=True,
        )
        try:
            retrying(self._look, wait)
        except _NotYetError as error:
            raise StepError(f"waited {wait.seconds:.0f} s for {describe_wait(wait)}; still {error}") from None
        except ClientError as error:
            if error_code(error) != wait.gone:
                raise StepError(f"{wait.operation} was refused: {error}") from error

    def _look(self, wait: Wait) -> None:
        answer = self._send(wait.service, wait.operation, wait.parameters)
        if wait.gone:
            raise _NotYetError("there")
        value = _at(answer, wait.path)
        if value in wait.failed:
            raise StepError(f"{wait.path} became {value}: {_at(answer, wait.reason)}")
        if value not in wait.wanted:
            raise _NotYetError(str(value))

    def _send(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if self._stopped.is_set():
            raise StepError(f"stopped before {operation}")
        client = self._aws.client(service)
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**self._resolved(parameters))
        return answer

    def _resolved(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self._outputs[value] if isinstance(value, Output) else value for name, value in parameters.items()
        }


def describe_wait(wait: Wait) -> str:
    """In words what a wait waits for."""
    if wait.gone:
        return f"{wait.operation} to say {wait.gone}"
    return f"{wait.operation} to say {wait.path} = {' or '.join(wait.wanted)}"


def _patience_for(call: Call, error: BaseException | None) -> Patience | None:
    if not isinstance(error, ClientError):
        return None
    text = str(error.response.get("Error", {}).get("Message", ""))
    return next((rule for rule in call.patience if error_code(error) == rule.code and rule.text in text), None)


def _advice(call: Call, error: ClientError) -> str:
    if known := call.advice.get(error_code(error)):
        return f" ({known})"
    found = _patience_for(call, error)
    return f" (tried for {found.seconds:.0f} s; {found.advice})" if found else ""


def _at(answer: Any, path: str) -> Any:
    for key in path.split("."):
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer
