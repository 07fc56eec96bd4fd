"""The vocabulary of bootstrap: what is live, and the actions that lead from there to what is declared.

All values are frozen and nothing here calls AWS:

    Settings ──declaration──▶ Resources ─┐
                                         ├─planner──▶ Plan of Actions ──executor──▶ Report
    AWS ──read──▶ Live per resource ─────┘

A `bootstrap.resource.Resource` knows how one service describes itself. An `Action` carries its calls as data, so a dry
run shows what an apply does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bootstrap.resource import Resource

Attributes = Mapping[str, Any]


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

    `outputs`: keys of the response that are outputs. `accepted`: error codes that mean the wish is already fulfilled
    (deleting what is gone). `raced`: error codes that mean somebody else changed the resource since it was read; with
    `raced_text`, only where the message contains that. `advice`: error code → what to do about it.
    """

    service: str
    operation: str
    parameters: Attributes
    outputs: tuple[str, ...] = ()
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

    `outputs` are what later calls need (URLs, ids). `notes` are facts for later calls; they are never compared.
    `adoptable`: without a tag, `up` may take it for its own. `duplicates` are further live resources that are the same
    declared one: `up` and `down` remove them.
    """

    arn: str
    state: str
    attributes: Attributes
    owner: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    notes: Attributes = field(default_factory=dict)
    adoptable: bool = False
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


# Id of each declared resource → what is live, or None, or why there can't be any.
Snapshot = Mapping[str, Live | Unavailable | None]


@dataclass(frozen=True)
class Difference:
    """One attribute that isn't as declared. `live` is None where it isn't set."""

    attribute: str
    live: Any
    declared: Any


@dataclass(frozen=True)
class Violation:
    """One rule that a declaration breaks: the value, what AWS would answer, and where AWS says so."""

    rule: str
    value: str
    aws_error: str
    page: str

    def __str__(self) -> str:
        return f"{self.rule}; it is {self.value}. AWS would say: {self.aws_error} ({self.page})"


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
    that the endpoint can't have. `resources` is what it was made from, `keep` the kinds that a plan of deletions keeps
    (None: a plan of `up`): so that the same plan can be made again.
    """

    actions: tuple[Action, ...]
    outputs: Mapping[Output, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    resources: tuple["Resource", ...] = field(default=(), repr=False)
    keep: frozenset[str] | None = None

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that change something."""
        return tuple(action for action in self.actions if action.verb is not Verb.NO_CHANGE)
