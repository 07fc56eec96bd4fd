"""Tags as a list of `{"Key", "Value"}`, which is how most services write them."""

from collections.abc import Iterable, Mapping
from typing import Any

from bootstrap.settings import ENVIRONMENT_TAG


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags for a call."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def owner_in(tags: Iterable[Mapping[str, Any]]) -> str | None:
    """The environment that a resource with these tags belongs to; None where it isn't ours."""
    return next((str(tag["Value"]) for tag in tags if tag["Key"] == ENVIRONMENT_TAG), None)
