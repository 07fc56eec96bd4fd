"""What bootstrap does: plan, apply, up, down, status."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bootstrap import rules
from bootstrap.declaration import declare
from bootstrap.executor import Event, Observer, State, execute
from bootstrap.model import Action, Difference, Live, Plan, Snapshot, Unavailable, Verb
from bootstrap.planner import differences, plan_down, plan_up
from bootstrap.resource import Resource
from bootstrap.resources.s3 import Bucket
from bootstrap.resources.sqs import DELETED_RECENTLY_SECONDS
from bootstrap.settings import Settings
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.pipeline import Pipeline
from profiles.session import Aws
from runtime.clock import Clock

# `up` looks again when somebody else is changing the same environment, `down` until nothing is left: SQS, for one, may
# show a deleted queue for 60 s.
PATIENCE_SECONDS = DELETED_RECENTLY_SECONDS + 30.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0

_SEE = "Run it again to see the plan as it is now"


class BootstrapError(CannotRunError):
    """A plan could not be carried out to its end; one sentence for each resource that failed."""


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
        drift = {one.attribute: {"live": one.live, "declared": one.declared} for one in self.drift}
        return {**vars(self), "drift": drift}


def plan(environment: Environment, settings: Settings) -> Plan:
    """What `up` would do. Read-only calls only. Raises `NotOursError`, `InvalidDeclarationError`."""
    return _look(environment, checked(environment.pipeline, environment.names, settings), None)


def plan_removal(environment: Environment, settings: Settings, *, keep_data: bool = False) -> Plan:
    """What `down` would do. Read-only calls only."""
    resources = declare(environment.pipeline, environment.names, settings)
    return _look(environment, resources, _kept(keep_data))


def plan_from_scratch(pipeline: Pipeline, names: Names, settings: Settings) -> Plan:
    """What `up` would do where nothing is. Asks no endpoint."""
    resources = checked(pipeline, names, settings)
    return plan_up(resources, {resource.id: None for resource in resources}, names.environment)


def checked(pipeline: Pipeline, names: Names, settings: Settings) -> tuple[Resource, ...]:
    """The declared resources, if AWS would accept them. Raises `InvalidDeclarationError`. Asks no endpoint."""
    resources = declare(pipeline, names, settings)
    rules.check(settings, resources)
    return resources


def apply(
    environment: Environment, confirmed: Plan, observer: Observer | None = None, *, clock: Clock | None = None
) -> Report:
    """Carry out this very plan, which somebody has seen, and nothing else.

    Raises `BootstrapError` if the environment has changed since: before any change where the plan would be another one
    by now, and after the changes that were still possible where somebody else was faster.
    """
    return _carry_out(environment, confirmed.resources, confirmed.keep, observer, clock, confirmed=confirmed)


def up(
    environment: Environment, settings: Settings, observer: Observer | None = None, *, clock: Clock | None = None
) -> Report:
    """Make everything as declared. When it returns, records flow: the function is active and the mapping polls.

    Where somebody else is changing the same environment, it looks again and goes on from there. Raises
    `BootstrapError` with what failed; running it again goes on from there too.
    """
    resources = checked(environment.pipeline, environment.names, settings)
    return _carry_out(environment, resources, None, observer, clock)


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
    resources = declare(environment.pipeline, environment.names, settings)
    return _carry_out(environment, resources, _kept(keep_data), observer, clock)


def status(environment: Environment, settings: Settings) -> tuple[ResourceStatus, ...]:
    """Every declared resource as it is. Read-only calls only."""
    resources = declare(environment.pipeline, environment.names, settings)
    found = take(environment.aws, resources)
    return tuple(_status(resource, found[resource.id]) for resource in resources)


def take(aws: Aws, resources: Sequence[Resource]) -> Snapshot:
    """What is live: every resource read at once, by read-only calls."""
    with ThreadPoolExecutor(max_workers=len(resources) or 1, thread_name_prefix="snapshot") as pool:
        found = list(pool.map(lambda resource: resource.read(aws), resources))
    return {resource.id: live for resource, live in zip(resources, found, strict=True)}


def _status(resource: Resource, live: Live | Unavailable | None) -> ResourceStatus:
    if isinstance(live, Unavailable):
        return ResourceStatus(resource.id, False, "", "skipped", (), live.reason)
    if live is None:
        return ResourceStatus(resource.id, False, "", "missing", ())
    drift = differences(resource.declared(), live.attributes)
    if live.duplicates:
        drift += (Difference("Duplicates", [one.arn for one in live.duplicates], []),)
    return ResourceStatus(resource.id, True, live.arn, live.state, drift)


def _kept(keep_data: bool) -> frozenset[str]:
    return frozenset({Bucket.kind} if keep_data else ())


def _look(environment: Environment, resources: Sequence[Resource], keep: frozenset[str] | None) -> Plan:
    """The plan for what is live now; `keep` as in `Plan`."""
    found, name = take(environment.aws, resources), environment.names.environment
    return plan_up(resources, found, name) if keep is None else plan_down(resources, found, name, keep)


def _carry_out(
    environment: Environment,
    resources: Sequence[Resource],
    keep: frozenset[str] | None,
    observer: Observer | None,
    clock: Clock | None,
    *,
    confirmed: Plan | None = None,
) -> Report:
    started, clock = time.monotonic(), clock or Clock()
    command = "up" if keep is None else "down"
    done: list[Action] = []
    for number, _ in enumerate(_looks(clock)):
        wanted = _look(environment, resources, keep)
        if confirmed:
            _refuse_others(confirmed, wanted, first=number == 0)
        if keep is not None and not wanted.actions:
            return Report(tuple(done), dict(wanted.left), time.monotonic() - started)
        events = execute(environment.aws, wanted, observer or _ignore, clock)
        if failed := _reasons(events, State.FAILED):
            raise BootstrapError(f"{command} did not finish: {failed}. Run it again to go on from here")
        raced = _reasons(events, State.RACED)
        if raced and confirmed:
            raise BootstrapError(f"{command} did not finish, because somebody else changed {raced}. {_SEE}")
        done += [
            event.action for event in events if event.state is State.DONE and event.action.verb is not Verb.NO_CHANGE
        ]
        if keep is None and not raced:
            return Report(tuple(done), {}, time.monotonic() - started, dict(wanted.skipped))
    if keep is None:
        raise BootstrapError(f"somebody else keeps changing this environment: gave up after {PATIENCE_SECONDS:.0f} s")
    still = ", ".join(action.resource for action in wanted.actions)
    raise BootstrapError(f"still there {PATIENCE_SECONDS:.0f} s after they were deleted: {still}")


def _refuse_others(confirmed: Plan, wanted: Plan, *, first: bool) -> None:
    """Nothing is done that wasn't confirmed. What `down` finds again was confirmed already, whatever its state."""
    before, now = ({action.resource: action for action in plan.changes} for plan in (confirmed, wanted))
    if not first:
        before = {name: action for name, action in now.items() if name in before}
    nothing = Action(Verb.NO_CHANGE, "")
    if changed := [
        f"{name} ({before.get(name, nothing).verb}, now {now.get(name, nothing).verb})"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]:
        what = "nothing was changed" if first else "it was left as it is"
        raise BootstrapError(f"not as the plan showed it any more, so {what}: {', '.join(changed)}. {_SEE}")


def _reasons(events: tuple[Event, ...], state: State) -> str:
    return "; ".join(f"{event.action.resource}: {event.error}" for event in events if event.state is state)


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
