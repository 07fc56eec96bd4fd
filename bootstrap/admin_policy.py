"""The policy for whoever runs `plan`, `up`, `status` and `down`: what those call, on this environment's names only.

Each resource says what it takes to make, read, change and remove it, as the Service Authorization Reference names it.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from bootstrap.declaration import declare
from bootstrap.policies import PolicyDocument, document
from bootstrap.resource import Permission
from bootstrap.settings import Settings
from profiles.names import Names
from profiles.pipeline import Pipeline


def admin_policy(pipeline: Pipeline, names: Names) -> PolicyDocument:
    """The policy document; it fits into a managed policy (6,144 characters). It is the same for all settings."""
    grouped: dict[str, list[Permission]] = {}
    for resource in declare(pipeline, names, Settings(pipeline.settings())):
        for permission in resource.permissions():
            grouped.setdefault(permission.sid, []).append(permission)
    return document(*(_statement(sid, grouped[sid]) for sid in sorted(grouped)))


def _statement(sid: str, permissions: Sequence[Permission]) -> dict[str, Any]:
    resources = dict.fromkeys(resource for one in permissions for resource in one.resources)
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted({action for one in permissions for action in one.actions}),
        "Resource": [one for one in resources if not any(_covers(other, one) for other in resources)],
    }
    if conditions := dict.fromkeys(one.condition for one in permissions if one.condition):
        ((operator, key),) = {(operator, key) for operator, key, _ in conditions}
        values = [value for _, _, value in conditions]
        statement["Condition"] = {operator: {key: values[0] if len(values) == 1 else values}}
    return statement


def _covers(pattern: str, resource: str) -> bool:
    return pattern != resource and fnmatchcase(resource, pattern)
