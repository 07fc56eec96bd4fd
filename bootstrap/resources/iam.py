"""AWS IAM: the function's execution role, with exactly one inline policy and nothing attached.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import Attributes, Call, Declared, Live, Step
from bootstrap.policies import PolicyDocument
from bootstrap.resources.errors import unless
from bootstrap.resources.tags import ENVIRONMENT_TAG, owner_in, tag_list
from profiles.session import Aws

KIND = "role"
NOT_THERE = ("NoSuchEntity", "NoSuchEntityException")
EXISTS = ("EntityAlreadyExists", "EntityAlreadyExistsException")


@dataclass(frozen=True)
class Role(Declared):
    """A role with a trust policy and one inline policy; any other policy on it is a difference."""

    name: str
    arn: str
    trust: PolicyDocument
    policy_name: str
    permissions: PolicyDocument
    tags: Mapping[str, str]
    kind = KIND
    after = ()

    def declared(self) -> Attributes:
        """`OtherPolicies` are inline and attached ones that aren't declared."""
        return {
            "Path": "/",
            "AssumeRolePolicyDocument": self.trust,
            "PolicyDocument": self.permissions,
            "OtherPolicies": [],
            "Tags": dict(self.tags),
        }

    def read(self, aws: Aws) -> Live | None:
        """GetRole, its inline policies, its attached policies."""
        return unless(NOT_THERE, lambda: self._read(aws))

    def _read(self, aws: Aws) -> Live:
        role = aws.iam.get_role(RoleName=self.name)["Role"]
        inline = aws.iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        attached = aws.iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]
        document: Any = None
        if self.policy_name in inline:
            found = aws.iam.get_role_policy(RoleName=self.name, PolicyName=self.policy_name)
            document = found["PolicyDocument"]
        owner = owner_in(role.get("Tags", []))
        others = [name for name in inline if name != self.policy_name]
        attributes = {
            "Path": role["Path"],
            "AssumeRolePolicyDocument": role.get("AssumeRolePolicyDocument"),
            "PolicyDocument": document,
            "OtherPolicies": [*others, *(policy["PolicyArn"] for policy in attached)],
            "Tags": {ENVIRONMENT_TAG: owner} if owner else {},
        }
        return Live(role["Arn"], "active", attributes, owner, notes={"inline": list(inline)})

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:  # noqa: ARG002
        """A role's path is fixed when it is made, and part of its ARN."""
        return "Path" in changed

    def create(self) -> tuple[Step, ...]:
        """CreateRole with its tag, then PutRolePolicy."""
        made = self._call(
            "CreateRole",
            AssumeRolePolicyDocument=json.dumps(self.trust),
            Description="What the pipeline's function may do",
            Tags=tag_list(self.tags),
            raced=EXISTS,
        )
        return made, self._put_policy()

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:
        """One call for each part that differs; undeclared policies are removed."""
        steps: list[Step] = []
        if "AssumeRolePolicyDocument" in changed:
            steps.append(self._call("UpdateAssumeRolePolicy", PolicyDocument=json.dumps(self.trust)))
        if "PolicyDocument" in changed:
            steps.append(self._put_policy())
        if "Tags" in changed:
            steps.append(self._call("TagRole", Tags=tag_list(self.tags)))
        if "OtherPolicies" in changed:
            steps += self._remove_policies(live.attributes["OtherPolicies"])
        return tuple(steps)

    def delete(self, live: Live) -> tuple[Step, ...]:
        """Policies first: DeleteRole answers DeleteConflict while there are any."""
        own = [self.policy_name] if self.policy_name in live.notes["inline"] else []
        return (
            *self._remove_policies([*own, *live.attributes["OtherPolicies"]]),
            self._call("DeleteRole", accepted=NOT_THERE, raced=("DeleteConflict",)),
        )

    def _put_policy(self) -> Call:
        return self._call(
            "PutRolePolicy", PolicyName=self.policy_name, PolicyDocument=json.dumps(self.permissions), raced=NOT_THERE
        )

    def _remove_policies(self, policies: list[str]) -> list[Step]:
        return [
            self._call("DetachRolePolicy", PolicyArn=policy, accepted=NOT_THERE)
            if policy.startswith("arn:")
            else self._call("DeleteRolePolicy", PolicyName=policy, accepted=NOT_THERE)
            for policy in policies
        ]

    def _call(
        self, operation: str, accepted: tuple[str, ...] = (), raced: tuple[str, ...] = (), **parameters: Any
    ) -> Call:
        return Call("iam", operation, {"RoleName": self.name, **parameters}, accepted=accepted, raced=raced)
