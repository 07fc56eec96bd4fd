"""Two live environments, side by side: what one has otherwise than the other."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bootstrap.declaration import declare
from bootstrap.deployment import take
from bootstrap.model import Difference, Live, Unavailable
from bootstrap.resource import Resource
from bootstrap.settings import Settings
from profiles.environment import Environment

ACCOUNT = "<account>"
MISSING = "missing"


@dataclass(frozen=True)
class Side:
    """One of the two environments."""

    environment: Environment
    settings: Settings

    @property
    def account(self) -> str:
        """Its AWS account."""
        return self.environment.aws.account


@dataclass(frozen=True)
class Deviation:
    """A resource that isn't the same: for each difference, `live` is the left side's and `declared` the right's."""

    resource: str
    differences: tuple[Difference, ...]


def compare(left: Side, right: Side) -> tuple[Deviation, ...]:
    """The deviations of two live environments. Account ids don't count; nor do ids and hosts, which aren't read.

    Only attributes that the declaration knows are compared: the rest is each engine's own. So is which services it has:
    what one side can't have isn't compared.
    """
    with ThreadPoolExecutor(2) as pool:
        lefts, rights = pool.map(_live, (left, right))
    deviations = []
    for (resource, one), (_, other) in zip(lefts, rights, strict=True):
        if isinstance(one, Unavailable) or isinstance(other, Unavailable):
            continue
        if found := _differences(resource, _seen(one, left), _seen(other, right)):
            deviations.append(Deviation(_anonymous(resource.id, left.account), found))
    return tuple(deviations)


def _live(side: Side) -> list[tuple[Resource, Live | Unavailable | None]]:
    environment = side.environment
    resources = declare(environment.pipeline, environment.names, side.settings)
    found = take(environment.aws, resources)
    return [(resource, found[resource.id]) for resource in resources]


def _differences(
    resource: Resource, left: dict[str, Any] | None, right: dict[str, Any] | None
) -> tuple[Difference, ...]:
    if left is None or right is None:
        if left is right:
            return ()
        return (Difference("", *(MISSING if side is None else "exists" for side in (left, right))),)
    names = resource.declared()
    return tuple(
        Difference(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)
    )


def _seen(live: Live | None, side: Side) -> dict[str, Any] | None:
    if live is None:
        return None
    known: dict[str, Any] = json.loads(_anonymous(json.dumps(dict(live.attributes), default=str), side.account))
    return known


def _anonymous(text: str, account: str) -> str:
    return text.replace(account, ACCOUNT)
