"""Amazon S3: the bucket and its protections.

Each protection is set by a call of its own, so an interrupted run can leave a bucket without some of them: they are
read and compared one by one. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.model import Attributes, Call, EmptyBucket, Live, Patience, Step, Unavailable
from bootstrap.policies import Grant, PolicyDocument, document
from bootstrap.resource import ENVIRONMENT_TAG, Permission, Resource, Template, error_code, tag_list, tag_map, unless
from profiles.errors import CannotRunError
from profiles.names import REGION, Names
from profiles.session import Aws

TAKEN = "bucket names are shared by all AWS accounts, and somebody else has this one: choose another with --bucket"

_OWNERSHIP = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
_BY_DEFAULT = {"SSEAlgorithm": "AES256"}
_PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True)
class Bucket(Resource):
    """A private bucket that is reached by TLS only, its objects encrypted, without ACLs."""

    names: Names
    name: str
    kind = "bucket"
    service = "s3"
    named_by = "Bucket"
    not_there = ("NoSuchBucket", "404")
    cloudformation = "AWS::S3::Bucket"
    # S3's actions are older than its operations' names.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    allowed = (
        (
            "Bucket",
            "CreateBucket DeleteBucket GetBucketOwnershipControls GetBucketPolicy GetBucketPublicAccessBlock "
            "GetBucketTagging GetEncryptionConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions "
            "PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging "
            "PutEncryptionConfiguration TagResource",
        ),
    )
    patience = (
        Patience(
            "OperationAborted",
            "A conflicting conditional operation is currently in progress against this resource.",
            120,
            "S3 is still busy with this name, as after a recent delete: try later, or choose another with --bucket",
        ),
    )

    @property
    def arn(self) -> str:
        """S3's ARNs have neither region nor account."""
        return f"arn:aws:s3:::{self.name}"

    @property
    def local_id(self) -> str:
        """Without the account and the region, which are in its name."""
        return f"{self.kind} {self.names.of.bucket}"

    @property
    def policy(self) -> PolicyDocument:
        """Nobody reaches the bucket without TLS, whatever else they are allowed.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
        """
        return document(
            {
                "Sid": "DenyWithoutTLS",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [self.arn, f"{self.arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        )

    def attributes(self) -> Attributes:
        """One attribute for each of its configurations."""
        return {
            "ObjectOwnership": "BucketOwnerEnforced",
            "PublicAccessBlock": _PUBLIC_ACCESS_BLOCK,
            "Encryption": _BY_DEFAULT["SSEAlgorithm"],
            "Policy": self.policy,
        }

    def read(self, aws: Aws) -> Live | Unavailable | None:
        """The live bucket. Raises `CannotRunError` if it is somebody else's."""
        try:
            return super().read(aws)
        except ClientError as error:
            if error_code(error) == "403" and error.operation_name == "HeadBucket":
                raise CannotRunError(f"bucket {self.name}: {TAKEN}, or ask for the right to use it") from error
            raise

    def look(self, aws: Aws) -> Live:
        """The bucket's tags and configurations; for one without our tag also whether it is empty."""
        s3, bucket = aws.s3, self.name
        s3.head_bucket(Bucket=bucket)
        tagging = unless(("NoSuchTagSet",), lambda: s3.get_bucket_tagging(Bucket=bucket))
        ownership = unless(("OwnershipControlsNotFoundError",), lambda: s3.get_bucket_ownership_controls(Bucket=bucket))
        block = unless(("NoSuchPublicAccessBlockConfiguration",), lambda: s3.get_public_access_block(Bucket=bucket))
        encryption = unless(
            ("ServerSideEncryptionConfigurationNotFoundError",), lambda: s3.get_bucket_encryption(Bucket=bucket)
        )
        rule: Any = encryption["ServerSideEncryptionConfiguration"]["Rules"][0] if encryption else {}
        policy = unless(("NoSuchBucketPolicy",), lambda: s3.get_bucket_policy(Bucket=bucket))
        attributes = {
            "ObjectOwnership": ownership and ownership["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
            "PublicAccessBlock": block and dict(block["PublicAccessBlockConfiguration"]),
            "Encryption": rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"),
            "Policy": policy and json.loads(policy["Policy"]),
        }
        tags = tag_map(tagging["TagSet"]) if tagging else {}
        # Without our tag an empty one may be what an interrupted `up` left: its tag is a second call.
        ours = ENVIRONMENT_TAG in tags
        adoptable = not ours and not s3.list_objects_v2(Bucket=bucket, MaxKeys=1).get("KeyCount", 0)
        return self.live("available", attributes, tags, notes={"tags": tags}, adoptable=adoptable)

    def create(self) -> Iterable[Step]:
        """CreateBucket with its tag, so that even half made it is known to be ours; then the protections.

        Ownership and tag are set by CreateBucket itself. A bucket outside us-east-1 needs a LocationConstraint.
        """
        yield self.call(
            "CreateBucket",
            ObjectOwnership="BucketOwnerEnforced",
            CreateBucketConfiguration={"LocationConstraint": REGION, "Tags": self.tags},
            raced=("BucketAlreadyOwnedByYou",),
            advice={"BucketAlreadyExists": TAKEN},
        )
        yield from self._configure({"PublicAccessBlock", "Encryption", "Policy"})

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """One call for each configuration that differs."""
        return self._configure(changed)

    def _configure(self, changed: Collection[str]) -> Iterable[Step]:
        encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": _BY_DEFAULT}]}
        if "PublicAccessBlock" in changed:
            yield self.call("PutPublicAccessBlock", PublicAccessBlockConfiguration=_PUBLIC_ACCESS_BLOCK)
        if "ObjectOwnership" in changed:
            yield self.call("PutBucketOwnershipControls", OwnershipControls=_OWNERSHIP)
        if "Encryption" in changed:
            yield self.call("PutBucketEncryption", ServerSideEncryptionConfiguration=encryption)
        if "Policy" in changed:
            yield self.call("PutBucketPolicy", Policy=json.dumps(self.policy))

    def tag(self, live: Live | None = None) -> Call:
        """PutBucketTagging replaces the whole set, so what others have put there is sent along."""
        others = live.notes.get("tags", {}) if live else {}
        return self.call("PutBucketTagging", Tagging={"TagSet": tag_list({**others, **tag_map(self.tags)})})

    def delete(self, live: Live) -> Iterable[Step]:  # noqa: ARG002
        """Empty it, versions included, then DeleteBucket."""
        yield EmptyBucket(self.name)
        yield self.call("DeleteBucket", accepted=self.not_there, raced=("BucketNotEmpty",))

    def permissions(self) -> Iterable[Permission]:
        """On the bucket, and on its objects to empty it."""
        yield from super().permissions()
        yield self.permission("Objects", "AbortMultipartUpload DeleteObject DeleteObjectVersion", f"{self.arn}/*")

    def properties(self) -> Mapping[str, Any]:
        """Its name and protections; the policy is a resource of its own."""
        encryption = {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": _BY_DEFAULT}]}
        return {
            "BucketName": self.name,
            "OwnershipControls": _OWNERSHIP,
            "PublicAccessBlockConfiguration": _PUBLIC_ACCESS_BLOCK,
            "BucketEncryption": encryption,
        }

    def template(self) -> Template:
        """The bucket, and its policy."""
        policy = {"Bucket": {"Ref": self.id}, "PolicyDocument": self.policy}
        return {**super().template(), "AWS::S3::BucketPolicy": policy}

    def writing(self, sid: str, prefix: str) -> Grant:
        """What a function needs to store objects under a prefix, and to make each only once."""
        return Grant(sid, ("s3:PutObject",), f"{self.arn}/{prefix}*", self)

    def claiming(self, sid: str, prefix: str) -> Grant:
        """To read them as well: whoever finds an object that is there decides by its content."""
        return Grant(sid, ("s3:PutObject", "s3:GetObject"), f"{self.arn}/{prefix}*", self)
