"""The declared resources, for checks and readers that have to cover a second function and its queue as well."""

from functools import lru_cache

from bootstrap.declaration import declare
from bootstrap.resource import Resource
from bootstrap.settings import Settings
from profiles.environment import Environment
from profiles.names import Names
from profiles.pipeline import Pipeline


def resources(environment: Environment, kind: str) -> list[Resource]:
    """The declared resources of a kind, for example `queue` or `log group`; those that `Names` knows first.

    They are declared with default settings: names and references don't depend on settings.
    """
    names = environment.names
    order = (names.queue, names.function, names.role, names.log_group, names.dead_letter_queue)
    ranks = {name: rank for rank, name in enumerate(order)}
    found = (one for one in _declared(environment.pipeline, names) if one.kind == kind)
    return sorted(found, key=lambda one: ranks.get(one.name.partition(" → ")[0], len(ranks)))


def source_and_target(mapping: Resource) -> tuple[str, str]:
    """The names of an event source mapping's queue and function: it is called `StockQueue → StockProcessor`."""
    queue, _, function = mapping.name.partition(" → ")
    return queue, function


def dead_letter_queues(environment: Environment) -> list[Resource]:
    """The queues to which another queue's redrive policy leads."""
    queues = resources(environment, "queue")
    targets = [one.declared().get("RedrivePolicy", {}).get("deadLetterTargetArn", "") for one in queues]
    return [one for one in queues if any(target.endswith(f":{one.name}") for target in targets)]


@lru_cache(maxsize=16)
def _declared(pipeline: Pipeline, names: Names) -> tuple[Resource, ...]:
    return declare(pipeline, names, Settings(pipeline.settings()))
