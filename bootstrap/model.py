"""The vocabulary of bootstrap: resources, what is live, and the actions that lead from one to the other.

All values are frozen and nothing here calls AWS:

    Settings ──declaration──▶ Resources ─┐
                                         ├─planner──▶ Plan of Actions ──executor──▶ Report
    AWS ──snapshot──▶ Live per resource ─┘

A `Resource` knows how one service describes itself: its desired attributes, how to read the live ones, and which calls
create, update and delete it. An `Action` carries those calls as data, so a dry run shows what an apply does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from profiles.session import Aws

Attributes = Mapping[str, Any]

# Note of a live resource without an environment tag: `up` may take it for its own. All others are somebody else's.
ADOPTABLE = "adoptable"


@dataclass(frozen=True)
class Output:
    """A parameter that is known only once AWS has answered: for example the URL of a queue."""

    resource: str
    name: str

    def __str__(self) -> str:
        return f"${{{self.resource}.{self.name}}}"


@dataclass(frozen=True)
class Patience:
    """One AWS answer that passes by itself: retried for `seconds`, and only if code and text are exactly these.

    `advice` is for the case that it doesn't pass: what else AWS means by this answer, and what to do.
    """

    code: str
    text: str
    seconds: float
    advice: str


@dataclass(frozen=True)
class Call:
    """One API call: botocore's service name, AWS's operation name, and the parameters, `Output`s among them.

    `outputs`: name of an output → key of the response. `accepted`: error codes that mean the wish is already fulfilled
    (deleting what is gone). `raced`: error codes that mean somebody else changed the resource since the snapshot; with
    `raced_text`, only where the message contains that.
    `advice`: error code → what to do about it.
    """

    service: str
    operation: str
    parameters: Attributes
    outputs: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    raced: tuple[str, ...] = ()
    raced_text: str = ""
    patience: tuple[Patience, ...] = ()
    advice: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wait:
    """Repeat a read-only call until the value at `path` (dotted) of its answer is one of `wanted`.

    One of `failed` ends the wait with the text at `reason`. With `gone`, the error code that means "not there any more"
    is the end waited for.
    """

    service: str
    operation: str
    parameters: Attributes
    path: str = ""
    wanted: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    reason: str = ""
    gone: str = ""
    seconds: float = 300.0


@dataclass(frozen=True)
class EmptyBucket:
    """Delete every object version, delete marker and unfinished multipart upload of a bucket."""

    bucket: str


Step = Call | Wait | EmptyBucket


@dataclass(frozen=True)
class Live:
    """A resource as it is. `owner` is the value of its environment tag; None where it has none.

    `outputs` are what later calls need (URLs, ids). `notes` are facts for `status` and for refusing: they are never
    compared. `duplicates` are further live resources that are the same declared one: `up` and `down` remove them.
    """

    arn: str
    state: str
    attributes: Attributes
    owner: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    notes: Attributes = field(default_factory=dict)
    duplicates: tuple["Live", ...] = ()


def with_duplicates(found: Iterable[Live | None]) -> Live | None:
    """Of live resources for the same declared one, the one with the smallest ARN; the others as its duplicates.

    None stands for one that was removed while it was read.

    The choice must not depend on anything that changes. Otherwise two `up` at once, each removing what it takes for a
    duplicate, could remove all of them. No `up` takes the smallest ARN for a duplicate.
    """
    there = sorted(filter(None, found), key=lambda live: live.arn)
    return replace(there[0], duplicates=tuple(there[1:])) if there else None


@dataclass(frozen=True)
class Unavailable:
    """A resource that can't be here: the endpoint says that it doesn't have the service. It is skipped."""

    reason: str


@dataclass(frozen=True)
class Difference:
    """One attribute that isn't as declared. `live` is None where it isn't set."""

    attribute: str
    live: Any
    declared: Any


class Resource(Protocol):
    """One declared resource. Implementations are frozen dataclasses, one module per AWS service."""

    @property
    def kind(self) -> str:
        """AWS's word for it: queue, topic, bucket …"""

    @property
    def name(self) -> str:
        """Its name within its kind."""

    @property
    def after(self) -> tuple[str, ...]:
        """Ids of the resources that must exist first; on the way down they go last."""

    @property
    def part_of(self) -> str | None:
        """Id of the resource whose tag decides whom this one belongs to; None where it has a tag of its own."""

    def declared(self) -> Attributes:
        """The desired attributes: what is compared, in the shape in which `read` gives the live ones."""

    def read(self, aws: Aws) -> Live | Unavailable | None:
        """The live resource by read-only calls, or None; or why there can't be one."""

    def create(self) -> tuple[Step, ...]:
        """The calls that make it."""

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:
        """The calls that set the changed attributes."""

    def delete(self, live: Live) -> tuple[Step, ...]:
        """The calls that remove it; none where it goes with another resource."""

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:
        """Whether AWS can't change these attributes of an existing resource."""

    def touched_by(self) -> Mapping[str, str]:
        """Id of another resource → the attribute to set again when that one is made anew."""


def id_of(resource: Resource) -> str:
    """How plans and outputs refer to a resource: `queue StockQueue`."""
    return f"{resource.kind} {resource.name}"


@dataclass(frozen=True)
class Declared:
    """What most resources have in common: all attributes can be changed in place; no other identity is needed."""

    @property
    def part_of(self) -> str | None:
        """It carries the environment tag itself."""
        return None

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:  # noqa: ARG002
        """AWS can change all attributes in place."""
        return False

    def touched_by(self) -> Mapping[str, str]:
        """It doesn't matter to this resource whether another was made anew."""
        return {}


class Verb(StrEnum):
    """What an action does to its resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    NO_CHANGE = "no change"


@dataclass(frozen=True)
class Action:
    """One resource's part of a plan. It may start when the actions on all resources in `after` are done."""

    verb: Verb
    resource: str
    steps: tuple[Step, ...] = ()
    differences: tuple[Difference, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Actions in an order that respects their dependencies, and the outputs of what is live already.

    `left` says of each live resource that a plan of deletions leaves alone why it does; `skipped` of each declared one
    that the endpoint can't have.
    """

    actions: tuple[Action, ...]
    outputs: Mapping[Output, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that change something."""
        return tuple(action for action in self.actions if action.verb is not Verb.NO_CHANGE)
