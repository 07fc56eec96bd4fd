"""What whoever runs `bootstrap` must be allowed to do: a policy made from the calls that bootstrap makes.

IAM's action names are those of the API operations, but for some: S3 has names of its own, a tag given to a create call
needs the tagging action too, and handing the role to Lambda is iam:PassRole.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterable
from typing import Any

from bootstrap.model import Call, EmptyBucket, Live, Resource, Wait
from bootstrap.policies import VERSION, PolicyDocument, bucket_arn
from bootstrap.resources.cloudwatch import Alarm
from profiles.names import Names

Operation = tuple[str, str]

_OTHER_NAMES: dict[Operation, tuple[str, ...]] = {
    ("s3", "HeadBucket"): ("s3:ListBucket",),
    ("s3", "ListObjectsV2"): ("s3:ListBucket",),
    ("s3", "ListObjectVersions"): ("s3:ListBucketVersions",),
    ("s3", "ListMultipartUploads"): ("s3:ListBucketMultipartUploads",),
    ("s3", "DeleteObjects"): ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    ("s3", "GetBucketEncryption"): ("s3:GetEncryptionConfiguration",),
    ("s3", "PutBucketEncryption"): ("s3:PutEncryptionConfiguration",),
    ("s3", "GetPublicAccessBlock"): ("s3:GetBucketPublicAccessBlock",),
    ("s3", "PutPublicAccessBlock"): ("s3:PutBucketPublicAccessBlock",),
    ("s3", "CreateBucket"): ("s3:CreateBucket", "s3:PutBucketOwnershipControls", "s3:TagResource"),
    ("sqs", "CreateQueue"): ("sqs:CreateQueue", "sqs:TagQueue"),
    ("sns", "CreateTopic"): ("sns:CreateTopic", "sns:TagResource"),
    ("iam", "CreateRole"): ("iam:CreateRole", "iam:TagRole"),
    ("logs", "CreateLogGroup"): ("logs:CreateLogGroup", "logs:TagResource"),
    ("lambda", "CreateFunction"): ("lambda:CreateFunction", "lambda:TagResource"),
    ("lambda", "CreateEventSourceMapping"): ("lambda:CreateEventSourceMapping", "lambda:TagResource"),
}
# Actions that IAM knows for all resources only.
_UNSCOPED = frozenset(
    {
        "cloudwatch:DescribeAlarms",
        "lambda:CreateEventSourceMapping",
        "lambda:ListEventSourceMappings",
        "logs:DescribeLogGroups",
    }
)


def operations_of(resources: Iterable[Resource]) -> set[Operation]:
    """Every mutating or waiting operation that these resources can need: made, changed in every way, and removed."""
    found: set[Operation] = set()
    for resource in resources:
        declared = resource.declared()
        live = Live("", "", {**declared, "OtherPolicies": ["inline", "arn:attached"]}, notes={"inline": []})
        for step in (*resource.create(), *resource.update(live, frozenset(declared)), *resource.delete(live)):
            if isinstance(step, Call | Wait):
                found.add((step.service, step.operation))
            elif isinstance(step, EmptyBucket):
                found |= {
                    ("s3", name)
                    for name in ("ListObjectVersions", "ListMultipartUploads", "DeleteObjects", "AbortMultipartUpload")
                }
    return found


def administrator_policy(names: Names, alarms: Iterable[Alarm], operations: Iterable[Operation]) -> PolicyDocument:
    """A policy that allows these operations on the resources of one environment, and no others."""
    actions = {action for operation in operations for action in _actions(operation)}
    statements: list[dict[str, Any]] = []
    for service, resources in _resources(names, alarms).items():
        own = sorted(action for action in actions - _UNSCOPED if action.startswith(f"{service}:"))
        if own:
            statements.append({"Sid": service.capitalize(), "Effect": "Allow", "Action": own, "Resource": resources})
    unscoped = sorted(actions & _UNSCOPED)
    statements.append({"Sid": "OnlyForAllResources", "Effect": "Allow", "Action": unscoped, "Resource": "*"})
    statements.append(
        {
            "Sid": "HandTheRoleToLambda",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": names.role_arn,
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        }
    )
    return {"Version": VERSION, "Statement": statements}


def _actions(operation: Operation) -> tuple[str, ...]:
    service, name = operation
    return _OTHER_NAMES.get(operation, (f"{service}:{name}",))


def _resources(names: Names, alarms: Iterable[Alarm]) -> dict[str, list[str]]:
    log_group = names.arn("logs", f"log-group:{names.log_group}")
    return {
        "cloudwatch": [alarm.arn for alarm in alarms],
        "iam": [names.role_arn],
        "lambda": [names.function_arn, names.arn("lambda", "event-source-mapping:*")],
        "logs": [log_group, f"{log_group}:*"],
        "s3": [bucket_arn(names), f"{bucket_arn(names)}/*"],
        "sns": [names.topic_arn],
        "sqs": [names.queue_arn, names.dead_letter_queue_arn, names.inbox_queue_arn],
    }
