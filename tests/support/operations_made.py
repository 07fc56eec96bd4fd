"""Which API operations bootstrap makes: those its resources declare for any state, and those seen on the wire.

And which IAM actions they need, as the operations' own pages say.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterator, Mapping

from bootstrap import Settings, down, status, up
from bootstrap.declaration import declare
from bootstrap.model import Call, EmptyBucket, Live, Step, Wait
from bootstrap.policies import PolicyDocument
from bootstrap.resource import Resource
from profiles.environment import Environment
from profiles.names import Names
from profiles.pipeline import Pipeline
from profiles.session import Aws
from tests.support.aws_calls import Recorder

Operation = tuple[str, str]

_EMPTYING = ("ListObjectVersions", "DeleteObjects", "ListMultipartUploads", "AbortMultipartUpload")

# Most operations need the action of their own name. Making something with a tag needs the right to tag it as well.
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


def actions_for(service: str, operation: str) -> tuple[str, ...]:
    """The IAM actions that one API operation needs, as bootstrap calls it."""
    own = f"{service}:{operation}"
    return _OTHERWISE.get(own, (own,))


def actions_in(policy: PolicyDocument) -> set[str]:
    """The actions that a policy allows."""
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def declared_operations(pipeline: Pipeline, names: Names, settings: Settings) -> set[Operation]:
    """What creating, updating in every attribute, and deleting would call; nothing is called."""
    resources = declare(pipeline, names, settings)
    return {operation for resource in resources for step in _steps(resource) for operation in _of(step)}


def seen_operations(recorder: Recorder) -> set[Operation]:
    """What was called."""
    return {(call.service, call.operation) for call in recorder.sent}


def live_through(environment: Environment, settings: Settings, somebody_else: Aws) -> None:
    """An environment's life: made, looked at, put right after somebody changed it, and removed with data in it."""
    bucket = environment.names.bucket
    up(environment, settings)
    status(environment, settings)
    somebody_else.s3.delete_bucket_tagging(Bucket=bucket)  # of a bucket without our tag, more is read
    up(environment, settings)
    somebody_else.s3.put_object(Bucket=bucket, Key="processed/A/1-a.json", Body=b"{}")
    somebody_else.s3.create_multipart_upload(Bucket=bucket, Key="unfinished")
    down(environment, settings, keep_data=True)
    down(environment, settings)


def _steps(resource: Resource) -> Iterator[Step]:
    foreign = {"OtherPolicies": ["inline", "arn:aws:iam::aws:policy/Managed"]}
    live = Live(
        "arn",
        "confirmed",
        {**resource.declared(), **foreign},
        outputs={"UUID": "uuid"},
        notes={"inline": [getattr(resource, "policy", "")]},
    )
    yield from resource.create()
    yield from resource.update(live, frozenset(resource.declared()))
    yield from resource.delete(live)


def _of(step: Step) -> Iterator[Operation]:
    match step:
        case Call() | Wait():
            yield step.service, step.operation
        case EmptyBucket():
            yield from (("s3", operation) for operation in _EMPTYING)
