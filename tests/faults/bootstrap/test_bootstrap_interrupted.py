"""`up` and `down` die after each of their calls in turn, and are run again.

Dying is an exception out of botocore in whichever thread makes the next call, and in every other thread after it, as
when the process is killed. Counting starts with the first mutating call: before that there is nothing to interrupt.
"""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bootstrap import down, status, up
from bootstrap.declaration import declare
from bootstrap.deployment import take
from bootstrap.model import Live
from profiles.environment import Environment
from tests.support.aws_calls import READ_ONLY, Answer, Recorder
from tests.support.environments import stock_settings
from tests.support.sandboxes import Sandbox, fresh_environment

PARTS = 4
_VOLATILE = ("CreatedTimestamp", "LastModifiedTimestamp", "Approximate")


class KilledError(Exception):
    """The process dies here."""


class Killer:
    """Lets `lifetime` calls through, counted from the first mutating one; None counts only."""

    def __init__(self, lifetime: int | None = None) -> None:
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self.calls = 0

    def __call__(self, operation: str, _: Mapping[str, Any]) -> Answer | None:
        with self._lock:
            if self.calls == 0 and operation.startswith(READ_ONLY):
                return None
            if self._lifetime is not None and self.calls >= self._lifetime:
                raise KilledError(operation)
            self.calls += 1
        return None


def _count(recorder: Recorder, run: Callable[[], object]) -> int:
    killer = Killer()
    recorder.intercept = killer
    run()
    recorder.intercept = None
    return killer.calls


def _kill_after(lifetime: int, recorder: Recorder, run: Callable[[], object]) -> None:
    recorder.intercept = Killer(lifetime)
    with pytest.raises(KilledError):
        run()
    recorder.intercept = None


def _end_state(environment: Environment) -> dict[str, Any]:
    """Everything that is live, with the environment's own names taken out."""
    aws, names = environment.aws, environment.names
    found = take(aws, declare(environment.pipeline, names, stock_settings()))
    topic = aws.sns.list_subscriptions_by_topic(TopicArn=names.topic_arn)["Subscriptions"]
    mappings = aws.lambda_.list_event_source_mappings(FunctionName=names.function)["EventSourceMappings"]
    state = {
        "subscriptions": sorted(one["Endpoint"] for one in topic),
        "mappings": len(mappings),
        "attributes": {
            identity: {key: value for key, value in live.attributes.items() if not key.startswith(_VOLATILE)}
            for identity, live in found.items()
            if isinstance(live, Live) and not identity.startswith("subscription")
        },
    }
    text = json.dumps(state, sort_keys=True, default=str).replace(f"{names.prefix}-", "")
    text = text.replace(names.database, "stock_data")
    anonymous: dict[str, Any] = json.loads(text.replace(f'"{names.prefix}"', '"default"'))
    return anonymous


def _nothing_left(environment: Environment) -> bool:
    return not any(one.exists for one in status(environment, stock_settings()))


@pytest.mark.parametrize("part", range(PARTS))
def test_up_that_died_anywhere_ends_like_an_undisturbed_one(sandbox: Sandbox, part: int) -> None:
    recorder, settings = sandbox.recorder, sandbox.settings
    last = _count(recorder, lambda: up(sandbox.environment, settings))
    undisturbed = _end_state(sandbox.environment)

    for lifetime in range(1 + part, last, PARTS):
        fresh = fresh_environment(sandbox.aws)
        _kill_after(lifetime, recorder, lambda fresh=fresh: up(fresh, settings))  # type: ignore[misc]

        up(fresh, settings)

        assert _end_state(fresh) == undisturbed, f"died after call {lifetime}"
        down(fresh, settings)
    assert last > 15


@pytest.mark.parametrize("part", range(PARTS))
def test_down_that_died_anywhere_is_finished_by_down_and_undone_by_up(sandbox: Sandbox, part: int) -> None:
    environment, recorder, settings = sandbox.environment, sandbox.recorder, sandbox.settings
    up(environment, settings)
    undisturbed = _end_state(environment)
    last = _count(recorder, lambda: down(environment, settings))
    up(environment, settings)

    for lifetime in range(1 + part, last, PARTS):
        _kill_after(lifetime, recorder, lambda: down(environment, settings))
        up(environment, settings)
        assert _end_state(environment) == undisturbed, f"down died after call {lifetime}, then up"

        _kill_after(lifetime, recorder, lambda: down(environment, settings))
        down(environment, settings)
        assert _nothing_left(environment), f"down died after call {lifetime}, then down"
        up(environment, settings)
    assert last > 15
