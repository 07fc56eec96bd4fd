"""Two live environments, side by side: what one has otherwise than the other."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bootstrap.declaration import declare
from bootstrap.deployment import take
from bootstrap.model import Difference, Live, Unavailable
from bootstrap.settings import Settings
from profiles.environment import Environment

ACCOUNT = "<account>"
MISSING = "missing"


@dataclass(frozen=True)
class Deviation:
    """A resource that isn't the same: for each difference, `live` is the left side's and `declared` the right's."""

    resource: str
    differences: tuple[Difference, ...]


def compare(left: Environment, right: Environment, settings: Settings) -> tuple[Deviation, ...]:
    """The deviations of two live environments. Account ids don't count; nor do ids and hosts, which aren't read.

    Only attributes that the declaration knows are compared: the rest is each engine's own. So is which services it has:
    what one side can't have isn't compared.
    """
    with ThreadPoolExecutor(2) as pool:
        lefts, rights = pool.map(lambda side: _live(side, settings), (left, right))
    deviations = []
    for (resource, one), other in zip(lefts.items(), rights.values(), strict=True):
        if not isinstance(one, Unavailable) and not isinstance(other, Unavailable):
            found = _differences(_seen(one, left), _seen(other, right))
            deviations.append(Deviation(_anonymous(resource, left), found))
    return tuple(one for one in deviations if one.differences)


def _live(side: Environment, settings: Settings) -> dict[str, Live | Unavailable | None]:
    return dict(take(side.aws, declare(side.pipeline, side.names, settings)))


def _differences(left: dict[str, Any] | None, right: dict[str, Any] | None) -> tuple[Difference, ...]:
    if left is None or right is None:
        sides = (MISSING if side is None else "exists" for side in (left, right))
        return () if left is right else (Difference("", *sides),)
    names = dict.fromkeys([*left, *right])
    return tuple(
        Difference(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)
    )


def _seen(live: Live | None, side: Environment) -> dict[str, Any] | None:
    if live is None:
        return None
    known: dict[str, Any] = json.loads(_anonymous(json.dumps(dict(live.attributes), default=str), side))
    return known


def _anonymous(text: str, side: Environment) -> str:
    return text.replace(side.aws.account, ACCOUNT)
