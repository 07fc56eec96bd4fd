"""Amazon S3: the bucket and its protections.

Each protection is set by a call of its own, so an interrupted run can leave a bucket without some of them: they are
read and compared one by one. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.model import ADOPTABLE, Attributes, Call, Declared, EmptyBucket, Live, Patience, Step
from bootstrap.policies import PolicyDocument
from bootstrap.resources.errors import error_code, unless
from bootstrap.resources.tags import ENVIRONMENT_TAG, tag_list
from profiles.errors import CannotRunError
from profiles.names import REGION
from profiles.session import Aws

KIND = "bucket"
NOT_THERE = ("NoSuchBucket", "404")

OWNERSHIP = "BucketOwnerEnforced"
ENCRYPTION = "AES256"
PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}

TAKEN = "bucket names are shared by all AWS accounts, and somebody else has this one: choose another with --bucket"
_BUSY = Patience(
    "OperationAborted",
    "A conflicting conditional operation is currently in progress against this resource.",
    120,
    "S3 is still busy with this name, as after a recent delete: try later, or choose another with --bucket",
)


@dataclass(frozen=True)
class Bucket(Declared):
    """A private bucket that is reached by TLS only, its objects encrypted, without ACLs."""

    name: str
    arn: str
    policy: PolicyDocument
    tags: Mapping[str, str]
    kind = KIND
    after = ()

    def declared(self) -> Attributes:
        """One attribute for each of its configurations."""
        return {
            "ObjectOwnership": OWNERSHIP,
            "PublicAccessBlock": PUBLIC_ACCESS_BLOCK,
            "Encryption": ENCRYPTION,
            "Policy": self.policy,
            "Tags": dict(self.tags),
        }

    def read(self, aws: Aws) -> Live | None:
        """The bucket's tags and configurations; for one without our tag also whether it is empty."""
        try:
            return unless(NOT_THERE, lambda: self._read(aws))
        except ClientError as error:
            if error_code(error) == "403" and error.operation_name == "HeadBucket":
                raise CannotRunError(f"bucket {self.name}: {TAKEN}, or ask for the right to use it") from error
            raise

    def _read(self, aws: Aws) -> Live:
        aws.s3.head_bucket(Bucket=self.name)
        tagging = unless(("NoSuchTagSet",), lambda: aws.s3.get_bucket_tagging(Bucket=self.name))
        tags = {tag["Key"]: tag["Value"] for tag in tagging["TagSet"]} if tagging else {}
        owner = tags.get(ENVIRONMENT_TAG)
        attributes = {
            "ObjectOwnership": self._ownership(aws),
            "PublicAccessBlock": self._public_access_block(aws),
            "Encryption": self._encryption(aws),
            "Policy": self._policy(aws),
            "Tags": {ENVIRONMENT_TAG: owner} if owner else {},
        }
        notes: dict[str, Any] = {"tags": tags}
        if owner is None:  # an empty one may be what an interrupted `up` left: its tag is a second call
            notes[ADOPTABLE] = not aws.s3.list_objects_v2(Bucket=self.name, MaxKeys=1).get("KeyCount", 0)
        return Live(self.arn, "available", attributes, owner, notes=notes)

    def _ownership(self, aws: Aws) -> str | None:
        found = unless(
            ("OwnershipControlsNotFoundError",), lambda: aws.s3.get_bucket_ownership_controls(Bucket=self.name)
        )
        return found["OwnershipControls"]["Rules"][0]["ObjectOwnership"] if found else None

    def _public_access_block(self, aws: Aws) -> Mapping[str, Any] | None:
        found = unless(
            ("NoSuchPublicAccessBlockConfiguration",), lambda: aws.s3.get_public_access_block(Bucket=self.name)
        )
        return dict(found["PublicAccessBlockConfiguration"]) if found else None

    def _encryption(self, aws: Aws) -> str | None:
        found = unless(
            ("ServerSideEncryptionConfigurationNotFoundError",), lambda: aws.s3.get_bucket_encryption(Bucket=self.name)
        )
        if not found:
            return None
        rule = found["ServerSideEncryptionConfiguration"]["Rules"][0]
        return rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]

    def _policy(self, aws: Aws) -> Any:
        found = unless(("NoSuchBucketPolicy",), lambda: aws.s3.get_bucket_policy(Bucket=self.name))
        return json.loads(found["Policy"]) if found else None

    def create(self) -> tuple[Step, ...]:
        """CreateBucket with its tag, so that even half made it is known to be ours; then the protections.

        Ownership and tag are set by CreateBucket itself. A bucket outside us-east-1 needs a LocationConstraint.
        """
        made = Call(
            "s3",
            "CreateBucket",
            {
                "Bucket": self.name,
                "ObjectOwnership": OWNERSHIP,
                "CreateBucketConfiguration": {"LocationConstraint": REGION, "Tags": tag_list(self.tags)},
            },
            raced=("BucketAlreadyOwnedByYou",),
            patience=(_BUSY,),
            advice={"BucketAlreadyExists": TAKEN},
        )
        return made, *self._configure(frozenset({"PublicAccessBlock", "Encryption", "Policy"}), {})

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:
        """One call for each configuration that differs."""
        return self._configure(changed, live.notes.get("tags", {}))

    def _configure(self, changed: frozenset[str], other_tags: Mapping[str, str]) -> tuple[Step, ...]:
        encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": ENCRYPTION}}]}
        calls: dict[str, tuple[str, dict[str, Any]]] = {
            "PublicAccessBlock": (
                "PutPublicAccessBlock",
                {"PublicAccessBlockConfiguration": PUBLIC_ACCESS_BLOCK},
            ),
            "ObjectOwnership": (
                "PutBucketOwnershipControls",
                {"OwnershipControls": {"Rules": [{"ObjectOwnership": OWNERSHIP}]}},
            ),
            "Encryption": ("PutBucketEncryption", {"ServerSideEncryptionConfiguration": encryption}),
            # PutBucketTagging replaces the whole set, so what others have put there is sent along.
            "Tags": ("PutBucketTagging", {"Tagging": {"TagSet": tag_list({**other_tags, **self.tags})}}),
            "Policy": ("PutBucketPolicy", {"Policy": json.dumps(self.policy)}),
        }
        return tuple(
            Call("s3", operation, {"Bucket": self.name, **parameters}, raced=NOT_THERE, patience=(_BUSY,))
            for attribute, (operation, parameters) in calls.items()
            if attribute in changed
        )

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """Empty it, versions included, then DeleteBucket."""
        deleted = Call(
            "s3",
            "DeleteBucket",
            {"Bucket": self.name},
            accepted=NOT_THERE,
            raced=("BucketNotEmpty",),
            patience=(_BUSY,),
        )
        return EmptyBucket(self.name), deleted
