"""What is live: every declared resource read at once, by read-only calls."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bootstrap.model import Live, Resource, Unavailable, id_of
from profiles.session import Aws

Snapshot = Mapping[str, Live | Unavailable | None]


def take(aws: Aws, resources: Sequence[Resource]) -> Snapshot:
    """Id of each resource → what is live, or None, or why there can't be any."""
    with ThreadPoolExecutor(max_workers=len(resources) or 1, thread_name_prefix="snapshot") as pool:
        found = list(pool.map(lambda resource: resource.read(aws), resources))
    return {id_of(resource): live for resource, live in zip(resources, found, strict=True)}
