"""From what is declared and what is live to a plan. Pure: no call is made, and the same input gives the same plan."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

from bootstrap.model import Action, Difference, Live, Output, Plan, Snapshot, Unavailable, Verb
from bootstrap.resource import ENVIRONMENT_TAG, Resource
from profiles.errors import CannotRunError

MADE = (Verb.CREATE, Verb.REPLACE)
# Why a plan of deletions leaves the bucket when it was told to.
KEPT = "kept, as asked"


class NotOursError(CannotRunError):
    """A resource of a declared name belongs to somebody else."""


def plan_up(resources: Sequence[Resource], snapshot: Snapshot, environment: str) -> Plan:
    """What leads from the snapshot to the declaration.

    Raises `NotOursError` for a bucket with data in it that stockpipe didn't make, and for anything that carries another
    environment's tag.
    """
    verbs: dict[str, Verb] = {}
    actions: list[Action] = []
    skipped: dict[str, str] = {}
    for resource in _in_order(resources):
        live = snapshot[resource.id]
        if isinstance(live, Unavailable):
            skipped[resource.id] = live.reason
            continue
        for one in _all(live):
            _refuse_others(resource, one, environment)
        action = _action(resource, live, verbs)
        verbs[action.resource] = action.verb
        actions.append(action)
        actions += [
            Action(Verb.DELETE, name_of_duplicate(resource, one), tuple(resource.delete(one)), after=(action.resource,))
            for one in _all(live)[1:]
        ]
    return Plan(tuple(actions), _outputs(snapshot), skipped=skipped, resources=tuple(resources))


def plan_down(
    resources: Sequence[Resource], snapshot: Snapshot, environment: str, keep: frozenset[str] = frozenset()
) -> Plan:
    """What removes everything of this environment, in reverse. `keep` are the kinds that stay."""
    actions: list[Action] = []
    left: dict[str, str] = {}
    removals: dict[str, list[str]] = {}  # what to delete for each resource: itself, its duplicates
    for resource in reversed(_in_order(resources)):
        found = snapshot[resource.id]
        if not isinstance(found, Live):
            continue
        needed_by = (other.id for other in resources if resource.id in other.after)
        after = tuple(one for other in needed_by for one in removals.get(other, ()))
        for live in _all(found):
            identity = resource.id if live is found else name_of_duplicate(resource, live)
            reason = _reason_to_leave(resource, live, snapshot, environment, keep)
            if reason:
                left[identity] = reason
            elif steps := tuple(resource.delete(live)):
                removals.setdefault(resource.id, []).append(identity)
                actions.append(Action(Verb.DELETE, identity, steps, after=after))
    return Plan(tuple(actions), _outputs(snapshot), left, resources=tuple(resources), keep=keep)


def name_of_duplicate(resource: Resource, live: Live) -> str:
    """How plans refer to a duplicate: `duplicate event source mapping <UUID>`."""
    return f"duplicate {resource.kind} {live.arn.rpartition(':')[2]}"


def differences(declared: Mapping[str, object], live: Mapping[str, object]) -> tuple[Difference, ...]:
    """The declared attributes that are otherwise; what isn't declared isn't compared."""
    return tuple(Difference(name, live.get(name), value) for name, value in declared.items() if live.get(name) != value)


def _in_order(resources: Sequence[Resource]) -> list[Resource]:
    """Each after those that it needs."""
    known = {one.id: one for one in resources}
    return [known[one] for one in TopologicalSorter({one.id: one.after for one in resources}).static_order()]


def _all(live: Live | None) -> tuple[Live, ...]:
    return (live, *live.duplicates) if live else ()


def _action(resource: Resource, live: Live | None, verbs: Mapping[str, Verb]) -> Action:
    after = resource.after
    if live is None:
        found = differences(resource.declared(), {})
        return Action(Verb.CREATE, resource.id, tuple(resource.create()), found, after)
    found = differences(resource.declared(), live.attributes)
    changed = frozenset(difference.attribute for difference in found)
    touched = frozenset(attribute for other, attribute in resource.touched_by.items() if verbs.get(other) in MADE)
    if not changed | touched:
        return Action(Verb.NO_CHANGE, resource.id, after=after)
    if resource.must_be_replaced(live, changed):
        return Action(Verb.REPLACE, resource.id, (*resource.delete(live), *resource.create()), found, after)
    found += tuple(
        Difference(attribute, "as made earlier", resource.declared()[attribute]) for attribute in touched - changed
    )
    return Action(Verb.UPDATE, resource.id, tuple(resource.update(live, changed | touched)), found, after)


def _refuse_others(resource: Resource, live: Live, environment: str) -> None:
    if live.owner is not None and live.owner != environment:
        raise NotOursError(
            f"{resource.id} belongs to the environment {live.owner!r}, not to {environment!r}: "
            "choose other names with --prefix or --bucket"
        )
    if live.owner is None and resource.part_of is None and not live.adoptable:
        raise NotOursError(
            f"{resource.id} is there and wasn't made by stockpipe: choose other names with --prefix or --bucket, "
            f"or hand it over by giving it the tag {ENVIRONMENT_TAG}={environment}"
        )


def _reason_to_leave(
    resource: Resource, live: Live, snapshot: Snapshot, environment: str, keep: frozenset[str]
) -> str | None:
    if resource.kind in keep:
        return KEPT
    holder = snapshot.get(resource.part_of.id) if resource.part_of else live
    owner = holder.owner if isinstance(holder, Live) else environment
    if owner == environment:
        return None
    if owner is None:
        return f"it has no tag {ENVIRONMENT_TAG}={environment}, so stockpipe didn't make it"
    return f"it belongs to the environment {owner!r}"


def _outputs(snapshot: Snapshot) -> dict[Output, str]:
    return {
        Output(identity, name): value
        for identity, live in snapshot.items()
        if isinstance(live, Live)
        for name, value in live.outputs.items()
    }
