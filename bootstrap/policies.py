"""What a role's policy is made of, and policy documents. Nothing here has a wildcard action."""

from dataclasses import dataclass
from typing import Any

from bootstrap.resource import Resource

PolicyDocument = dict[str, Any]


@dataclass(frozen=True)
class Grant:
    """A statement of a role's policy: actions on a resource, or on part of it. `on` is the ARN that IAM is told."""

    sid: str
    actions: tuple[str, ...]
    on: str
    resource: Resource

    def statement(self) -> dict[str, Any]:
        """As IAM writes it: one action is no list."""
        action = self.actions[0] if len(self.actions) == 1 else list(self.actions)
        return {"Sid": self.sid, "Effect": "Allow", "Action": action, "Resource": self.on}


def document(*statements: dict[str, Any]) -> PolicyDocument:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
