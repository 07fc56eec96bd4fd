"""Whether a role's policies allow what is declared: IAM's evaluation, as far as policies alone decide.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

PolicyDocument = dict[str, Any]


def not_allowed(declared: PolicyDocument, live: Iterable[PolicyDocument]) -> list[str]:
    """What `declared` allows and the live policies don't, as `s3:PutObject on arn:…`, in order.

    A live statement with a condition, or with NotAction or NotResource, is ignored: whether it allows depends on the
    call. Denials without a condition count.
    """
    statements = [statement for document in live for statement in _statements(document)]
    certain = [statement for statement in statements if "Condition" not in statement]
    allows = [statement for statement in certain if statement.get("Effect") == "Allow"]
    denies = [statement for statement in certain if statement.get("Effect") == "Deny"]
    return [
        f"{action} on {resource}"
        for statement in _statements(declared)
        for action in _list(statement.get("Action"))
        for resource in _list(statement.get("Resource"))
        if not any(_covers(one, action, resource) for one in allows)
        or any(_covers(one, action, resource) for one in denies)
    ]


def lambda_may_assume(trust: PolicyDocument) -> bool:
    """Whether a trust policy lets Lambda assume the role."""
    return any(
        statement.get("Effect") == "Allow"
        and "sts:AssumeRole" in _list(statement.get("Action"))
        and "lambda.amazonaws.com" in _list((statement.get("Principal") or {}).get("Service"))
        for statement in _statements(trust)
    )


def _covers(statement: PolicyDocument, action: str, resource: str) -> bool:
    """Whether a statement matches. A declared resource may have wildcards, which are compared as plain characters."""
    return any(fnmatchcase(action.lower(), one.lower()) for one in _list(statement.get("Action"))) and any(
        fnmatchcase(resource, one) for one in _list(statement.get("Resource"))
    )


def _statements(document: PolicyDocument) -> Iterator[PolicyDocument]:
    found = document.get("Statement", [])
    yield from found if isinstance(found, list) else [found]


def _list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)
