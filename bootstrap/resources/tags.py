"""The tag that marks a resource as belonging to an environment. `down` removes nothing without it.

Most services write tags as a list of `{"Key", "Value"}`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from profiles.names import Names

ENVIRONMENT_TAG = "stockpipe:environment"


def environment_tags(names: Names) -> dict[str, str]:
    """The tags of everything in an environment."""
    return {ENVIRONMENT_TAG: names.environment}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags for a call."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def owner_in(tags: Iterable[Mapping[str, Any]]) -> str | None:
    """The environment that a resource with these tags belongs to; None where it isn't ours."""
    return next((str(tag["Value"]) for tag in tags if tag["Key"] == ENVIRONMENT_TAG), None)
