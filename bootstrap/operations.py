"""The four things bootstrap does: plan, up, down, status."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bootstrap import rules, snapshot
from bootstrap.declaration import declare
from bootstrap.executor import Event, Observer, State, execute
from bootstrap.model import Action, Difference, Live, Plan, Resource, Unavailable, Verb, id_of
from bootstrap.planner import differences, plan_down, plan_up
from bootstrap.resources import s3, sqs
from bootstrap.settings import Settings
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.pipeline import Pipeline
from runtime.clock import Clock

# `up` looks again when somebody else is changing the same environment, `down` until nothing is left: SQS, for one, may
# show a deleted queue for 60 s.
PATIENCE_SECONDS = sqs.DELETED_RECENTLY_SECONDS + 30.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0


class BootstrapError(CannotRunError):
    """`up` or `down` could not finish; one sentence for each resource that failed."""


@dataclass(frozen=True)
class Report:
    """What was done. `actions` are the changes that were made; empty means everything was as declared.

    `left` and `skipped` as in `Plan`.
    """

    actions: tuple[Action, ...]
    left: dict[str, str]
    seconds: float
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self.actions)


@dataclass(frozen=True)
class ResourceStatus:
    """One resource: its ARN and state if it exists, what isn't as declared, and in `skipped` why it can't exist."""

    resource: str
    exists: bool
    arn: str
    state: str
    drift: tuple[Difference, ...]
    skipped: str = ""

    @property
    def as_declared(self) -> bool:
        """Whether `up` would have nothing to do about it."""
        return bool(self.skipped) or (self.exists and not self.drift)

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "resource": self.resource,
            "exists": self.exists,
            "arn": self.arn,
            "state": self.state,
            "skipped": self.skipped,
            "drift": {found.attribute: {"live": found.live, "declared": found.declared} for found in self.drift},
        }


def plan(environment: Environment, settings: Settings) -> Plan:
    """What `up` would do. Read-only calls only. Raises `NotOursError`."""
    resources = checked(environment.pipeline, environment.names, settings)
    return plan_up(resources, snapshot.take(environment.aws, resources), environment.names.environment)


def checked(pipeline: Pipeline, names: Names, settings: Settings) -> tuple[Resource, ...]:
    """The declared resources, if AWS would accept them. Raises `InvalidDeclarationError`. Asks no endpoint."""
    rules.check(pipeline.contract, names, settings)
    return declare(pipeline, names, settings)


def plan_from_scratch(pipeline: Pipeline, names: Names, settings: Settings) -> Plan:
    """What `up` would do where nothing is. Asks no endpoint."""
    resources = checked(pipeline, names, settings)
    return plan_up(resources, {id_of(resource): None for resource in resources}, names.environment)


def plan_removal(environment: Environment, settings: Settings, *, keep_data: bool = False) -> Plan:
    """What `down` would do. Read-only calls only."""
    return _plan_removal(environment, _declared(environment, settings), keep_data)


def up(
    environment: Environment, settings: Settings, observer: Observer | None = None, *, clock: Clock | None = None
) -> Report:
    """Make everything as declared. When it returns, records flow: the function is active and the mapping polls.

    Where somebody else is changing the same environment, it looks again and goes on from there. Raises
    `BootstrapError` with what failed; running it again goes on from there too.
    """
    started, clock = time.monotonic(), clock or Clock()
    resources = checked(environment.pipeline, environment.names, settings)
    done: list[Action] = []
    for _ in _looks(clock):
        wanted = plan_up(resources, snapshot.take(environment.aws, resources), environment.names.environment)
        events = execute(environment.aws, wanted, observer or _ignore, clock)
        done += _changes_made(events)
        if not _raced(events, "up"):
            return Report(tuple(done), {}, time.monotonic() - started, dict(wanted.skipped))
    raise BootstrapError(f"somebody else keeps changing this environment: gave up after {PATIENCE_SECONDS:.0f} s")


def down(
    environment: Environment,
    settings: Settings,
    observer: Observer | None = None,
    *,
    keep_data: bool = False,
    clock: Clock | None = None,
) -> Report:
    """Remove everything that carries this environment's tag, then look until nothing of it is left.

    `Report.left` names what was left alone, and why. Raises `BootstrapError` with what could not be removed.
    """
    started, clock = time.monotonic(), clock or Clock()
    resources = _declared(environment, settings)
    done: list[Action] = []
    for _ in _looks(clock):
        wanted = _plan_removal(environment, resources, keep_data)
        if not wanted.actions:
            return Report(tuple(done), dict(wanted.left), time.monotonic() - started)
        events = execute(environment.aws, wanted, observer or _ignore, clock)
        _raced(events, "down")
        done += _changes_made(events)
    still = ", ".join(action.resource for action in wanted.actions)
    raise BootstrapError(f"still there {PATIENCE_SECONDS:.0f} s after they were deleted: {still}")


def status(environment: Environment, settings: Settings) -> tuple[ResourceStatus, ...]:
    """Every declared resource as it is. Read-only calls only."""
    resources = _declared(environment, settings)
    found = snapshot.take(environment.aws, resources)
    return tuple(_status(resource, found[id_of(resource)]) for resource in resources)


def _status(resource: Resource, live: Live | Unavailable | None) -> ResourceStatus:
    if isinstance(live, Unavailable):
        return ResourceStatus(id_of(resource), False, "", "skipped", (), live.reason)
    if live is None:
        return ResourceStatus(id_of(resource), False, "", "missing", ())
    drift = differences(resource.declared(), live.attributes)
    if live.duplicates:
        drift += (Difference("Duplicates", [one.arn for one in live.duplicates], []),)
    return ResourceStatus(id_of(resource), True, live.arn, live.state, drift)


def _declared(environment: Environment, settings: Settings) -> tuple[Resource, ...]:
    return declare(environment.pipeline, environment.names, settings)


def _plan_removal(environment: Environment, resources: tuple[Resource, ...], keep_data: bool) -> Plan:
    keep = frozenset({s3.KIND}) if keep_data else frozenset()
    return plan_down(resources, snapshot.take(environment.aws, resources), environment.names.environment, keep)


def _changes_made(events: tuple[Event, ...]) -> list[Action]:
    return [event.action for event in events if event.state is State.DONE and event.action.verb is not Verb.NO_CHANGE]


def _raced(events: tuple[Event, ...], verb: str) -> bool:
    failed = [event for event in events if event.state is State.FAILED]
    if failed:
        reasons = "; ".join(f"{event.action.resource}: {event.error}" for event in failed)
        raise BootstrapError(f"{verb} did not finish: {reasons}. Run it again to go on from here")
    return any(event.state is State.RACED for event in events)


def _looks(clock: Clock) -> Iterator[None]:
    """Yields once, and again after pauses that double and add up to `PATIENCE_SECONDS`; only pauses are counted."""
    yield
    waited, pause = 0.0, FIRST_PAUSE_SECONDS
    while waited < PATIENCE_SECONDS:
        clock.sleep(pause)
        yield
        waited, pause = waited + pause, min(2 * pause, LONGEST_PAUSE_SECONDS)


def _ignore(event: Event) -> None:
    """Nobody watches."""
