"""AWS IAM: a function's execution role, with exactly one inline policy and nothing attached.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import Attributes, Call, Live, Step, Violation
from bootstrap.policies import Grant, PolicyDocument, document
from bootstrap.resource import NameRule, Resource, tag_map
from profiles.names import Names
from profiles.session import Aws

TRUST = document(
    {
        "Sid": "LambdaAssumesThisRole",
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
)

_QUOTAS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"
_MAX_POLICY_CHARACTERS = 10_240


@dataclass(frozen=True)
class Role(Resource):
    """A role that Lambda may assume, with the inline policy `policy`; any other policy on it is a difference.

    `allows`: what the function may do, and its event source mapping, which polls the queue with the function's role.
    """

    names: Names
    name: str
    policy: str
    allows: tuple[Grant, ...]
    kind = "role"
    service = "iam"
    arn_resource = "role/{}"
    regional = False
    named_by = "RoleName"
    not_there = ("NoSuchEntity", "NoSuchEntityException")
    name_rule = NameRule(64, "ValidationError", _QUOTAS)
    allowed = (
        (
            "Role",
            "CreateRole DeleteRole DeleteRolePolicy DetachRolePolicy GetRole GetRolePolicy "
            "ListAttachedRolePolicies ListRolePolicies PutRolePolicy TagRole UpdateAssumeRolePolicy",
        ),
    )
    cloudformation = "AWS::IAM::Role"

    @property
    def document(self) -> PolicyDocument:
        """The inline policy."""
        return document(*(grant.statement() for grant in self.allows))

    def attributes(self) -> Attributes:
        """`OtherPolicies` are inline and attached ones that aren't declared."""
        return {
            "Path": "/",
            "AssumeRolePolicyDocument": TRUST,
            "PolicyDocument": self.document,
            "OtherPolicies": [],
        }

    def look(self, aws: Aws) -> Live:
        """GetRole, its inline policies, its attached policies."""
        role = aws.iam.get_role(RoleName=self.name)["Role"]
        inline = aws.iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        attached = aws.iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]
        document: Any = None
        if self.policy in inline:
            document = aws.iam.get_role_policy(RoleName=self.name, PolicyName=self.policy)["PolicyDocument"]
        others = [name for name in inline if name != self.policy]
        attributes = {
            "Path": role["Path"],
            "AssumeRolePolicyDocument": role.get("AssumeRolePolicyDocument"),
            "PolicyDocument": document,
            "OtherPolicies": [*others, *(policy["PolicyArn"] for policy in attached)],
        }
        tags = tag_map(role.get("Tags", []))
        return self.live("active", attributes, tags, arn=role["Arn"], notes={"inline": list(inline)})

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:  # noqa: ARG002
        """A role's path is fixed when it is made, and part of its ARN."""
        return "Path" in changed

    def create(self) -> Iterable[Step]:
        """CreateRole with its tag, then PutRolePolicy."""
        yield self.call(
            "CreateRole",
            AssumeRolePolicyDocument=json.dumps(TRUST),
            Description="What the pipeline's function may do",
            Tags=self.tags,
            raced=("EntityAlreadyExists", "EntityAlreadyExistsException"),
        )
        yield self._put_policy()

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:
        """One call for each part that differs; undeclared policies are removed."""
        if "AssumeRolePolicyDocument" in changed:
            yield self.call("UpdateAssumeRolePolicy", PolicyDocument=json.dumps(TRUST))
        if "PolicyDocument" in changed:
            yield self._put_policy()
        if "OtherPolicies" in changed:
            yield from self._remove_policies(live.attributes["OtherPolicies"])

    def tag(self, live: Live | None = None) -> Call:  # noqa: ARG002
        """TagRole."""
        return self.call("TagRole", Tags=self.tags)

    def delete(self, live: Live) -> Iterable[Step]:
        """Policies first: DeleteRole answers DeleteConflict while there are any."""
        own = [self.policy] if self.policy in live.notes["inline"] else []
        yield from self._remove_policies([*own, *live.attributes["OtherPolicies"]])
        yield self.call("DeleteRole", accepted=self.not_there, raced=("DeleteConflict",))

    def _put_policy(self) -> Step:
        return self.call("PutRolePolicy", PolicyName=self.policy, PolicyDocument=json.dumps(self.document))

    def _remove_policies(self, policies: Iterable[str]) -> Iterable[Step]:
        for policy in policies:
            if policy.startswith("arn:"):
                yield self.call("DetachRolePolicy", PolicyArn=policy, accepted=self.not_there)
            else:
                yield self.call("DeleteRolePolicy", PolicyName=policy, accepted=self.not_there)

    def violations(self) -> Iterator[Violation]:
        """Its names, and the length of its policy."""
        yield from super().violations()
        yield from NameRule(128, "ValidationError", _QUOTAS).violations("policy", self.policy)
        size = len(json.dumps(self.document, separators=(",", ":")))
        if size > _MAX_POLICY_CHARACTERS:
            rule = f"a role's policy has at most {_MAX_POLICY_CHARACTERS} characters"
            yield Violation(rule, f"{size} characters", "LimitExceeded", _QUOTAS)

    def properties(self) -> Mapping[str, Any]:
        """The role with its policy."""
        return {
            "RoleName": self.name,
            "AssumeRolePolicyDocument": TRUST,
            "Policies": [{"PolicyName": self.policy, "PolicyDocument": self.document}],
        }
