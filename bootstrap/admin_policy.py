"""The policy for whoever runs `plan`, `up`, `status` and `down`: what those call, on this environment's names only.

It is generated from `recorded_calls.json`: every API operation that bootstrap was seen to call, or declares that it
would. Most operations need the IAM action of their own name; `_OTHERWISE` has the others, as the Service Authorization
Reference and the operations' own pages say.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.policies import VERSION, PolicyDocument, bucket_arn
from profiles.names import Names

RECORDED_CALLS = Path(__file__).with_name("recorded_calls.json")

# Making something with a tag needs the right to tag it as well.
_OTHERWISE: Mapping[str, tuple[str, ...]] = {
    "athena:CreateWorkGroup": ("athena:CreateWorkGroup", "athena:TagResource"),
    "cloudwatch:PutMetricAlarm": ("cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"),
    "iam:CreateRole": ("iam:CreateRole", "iam:TagRole"),
    "lambda:CreateEventSourceMapping": ("lambda:CreateEventSourceMapping", "lambda:TagResource"),
    "lambda:CreateFunction": ("lambda:CreateFunction", "lambda:TagResource", "iam:PassRole"),
    "lambda:UpdateFunctionConfiguration": ("lambda:UpdateFunctionConfiguration", "iam:PassRole"),
    "logs:CreateLogGroup": ("logs:CreateLogGroup", "logs:TagResource"),
    # S3's actions are older than its operations' names.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    "s3:CreateBucket": ("s3:CreateBucket", "s3:PutBucketOwnershipControls", "s3:TagResource"),
    "s3:DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "sns:CreateTopic": ("sns:CreateTopic", "sns:TagResource"),
    "sqs:CreateQueue": ("sqs:CreateQueue", "sqs:TagQueue"),
}

# AWS knows no resource for these: they can be allowed for everything only. (DescribeAlarms has one, but answers with
# composite alarms only if it is allowed for everything.)
_WITHOUT_RESOURCE = frozenset(
    {
        "cloudwatch:DescribeAlarms",
        "lambda:ListEventSourceMappings",
        "logs:DescribeLogGroups",
        "sns:GetSubscriptionAttributes",
        "sns:SetSubscriptionAttributes",
        "sns:Unsubscribe",
    }
)
_ON_OBJECTS = frozenset({"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"})
_LAMBDA_TAGS = frozenset({"lambda:ListTags", "lambda:TagResource"})


@dataclass(frozen=True)
class _Scope:
    """One statement: where its actions are allowed."""

    sid: str
    resources: tuple[str, ...]
    condition: Mapping[str, Any] = field(default_factory=dict)


def recorded_operations() -> tuple[tuple[str, str], ...]:
    """(service, operation) of each recorded call."""
    recorded: dict[str, list[str]] = json.loads(RECORDED_CALLS.read_text())
    return tuple((service, operation) for service, operations in recorded.items() for operation in operations)


def actions_for(service: str, operation: str) -> tuple[str, ...]:
    """The IAM actions that one API operation needs, as bootstrap calls it."""
    own = f"{service}:{operation}"
    return _OTHERWISE.get(own, (own,))


def admin_policy(names: Names) -> PolicyDocument:
    """The policy document; it fits into a managed policy (6,144 characters)."""
    actions = {action for called in recorded_operations() for action in actions_for(*called)}
    return {"Version": VERSION, "Statement": list(_statements(actions, names))}


def _statements(actions: Iterable[str], names: Names) -> Iterator[dict[str, Any]]:
    grouped: dict[str, list[str]] = {}
    scopes: dict[str, _Scope] = {}
    for action in sorted(actions):
        scope = _scope(action, names)
        scopes[scope.sid] = scope
        grouped.setdefault(scope.sid, []).append(action)
    for sid, scope in sorted(scopes.items()):
        statement = {"Sid": sid, "Effect": "Allow", "Action": grouped[sid], "Resource": list(scope.resources)}
        yield {**statement, "Condition": dict(scope.condition)} if scope.condition else statement


def _scope(action: str, names: Names) -> _Scope:
    if action in _WITHOUT_RESOURCE:
        return _Scope("WithoutResource", ("*",))
    if action == "iam:PassRole":
        to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
        return _Scope("PassRole", (names.role_arn,), to_lambda)
    if action in _ON_OBJECTS:
        return _Scope("Objects", (f"{bucket_arn(names)}/*",))
    if action.endswith("EventSourceMapping"):
        return _mapping_scope(action, names)
    if action in _LAMBDA_TAGS:
        return _Scope("LambdaTags", (names.function_arn, names.arn("lambda", "event-source-mapping:*")))
    return _service_scope(action.partition(":")[0], names)


def _mapping_scope(action: str, names: Names) -> _Scope:
    """A mapping's id is AWS's choice, so it is the function that says whose it is. One to be made has no ARN yet."""
    condition = {"ArnEqualsIfExists": {"lambda:FunctionArn": names.function_arn}}
    if action == "lambda:CreateEventSourceMapping":
        return _Scope("CreateMapping", ("*",), condition)
    return _Scope("Mapping", (names.arn("lambda", "event-source-mapping:*"),), condition)


def _service_scope(service: str, names: Names) -> _Scope:
    group = names.arn("logs", f"log-group:{names.log_group}")
    database = names.database
    scopes = {
        "athena": _Scope("Workgroup", (names.arn("athena", f"workgroup/{names.workgroup}"),)),
        # All alarms are named after what they watch.
        "cloudwatch": _Scope(
            "Alarms",
            tuple(names.arn("cloudwatch", f"alarm:{watched}-*") for watched in (names.queue, names.function)),
        ),
        # Glue asks for the right to each level down to the one it is about. A deleted database takes all in it along.
        "glue": _Scope(
            "Catalogue",
            tuple(
                names.arn("glue", resource)
                for resource in (
                    "catalog",
                    f"database/{database}",
                    f"table/{database}/*",
                    f"userDefinedFunction/{database}/*",
                )
            ),
        ),
        "iam": _Scope("Role", (names.role_arn,)),
        "lambda": _Scope("Function", (names.function_arn,)),
        # Tagging names a log group without `:*`, everything else with it.
        "logs": _Scope("LogGroup", (group, f"{group}:*")),
        "s3": _Scope("Bucket", (bucket_arn(names),)),
        "sns": _Scope("Topic", (names.topic_arn,)),
        "sqs": _Scope("Queues", (names.queue_arn, names.dead_letter_queue_arn, names.inbox_queue_arn)),
    }
    return scopes[service]
