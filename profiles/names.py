"""The names of every resource, for one environment.

An environment is a prefix: `stockpipe --prefix alice` puts `alice-` before every name, so several share an account.
"""

import re
from dataclasses import dataclass

REGION = "us-east-2"

DEFAULT_ENVIRONMENT = "default"

_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,14}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BUCKET_FORBIDDEN = re.compile(
    r"\.\.|^\d+\.\d+\.\d+\.\d+$|^xn--|^sthree-|^amzn-s3-demo-|-s3alias$|--ol-s3$|\.mrap$|--x-s3$|--table-s3$"
)


@dataclass(frozen=True)
class ResourceNames:
    """What a pipeline's own resources are called in the environment without a prefix.

    `bucket` is the beginning of the bucket's name: the account and the region follow.
    """

    queue: str
    topic: str
    function: str
    role: str
    policy: str
    bucket: str
    workgroup: str
    database: str


@dataclass(frozen=True)
class Names:
    """Resource names of the environment `prefix` (empty: the names as they are) in `account`."""

    of: ResourceNames
    account: str
    prefix: str = ""
    bucket_override: str | None = None

    def __post_init__(self) -> None:
        """Refuse a prefix that some AWS service would refuse (bucket names are the narrowest), and a confusing one."""
        if self.prefix and not _PREFIX.fullmatch(self.prefix):
            raise ValueError(
                f"prefix {self.prefix[:80]!r}: a letter, then up to 14 lower-case letters, digits or hyphens "
                "(it becomes part of the bucket's name)"
            )
        if self.bucket_override and (
            not _BUCKET.fullmatch(self.bucket_override) or _BUCKET_FORBIDDEN.search(self.bucket_override)
        ):
            raise ValueError(
                f"bucket {self.bucket_override[:80]!r}: 3 to 63 lower-case letters, digits, dots or hyphens, "
                "with a letter or digit at both ends, in none of the forms that S3 reserves. "
                "AWS would say: InvalidBucketName: The specified bucket is not valid."
            )
        if self.prefix == DEFAULT_ENVIRONMENT:
            raise ValueError(f"prefix {self.prefix!r} is what the environment without a prefix is tagged with")

    def prefixed(self, name: str) -> str:
        """The name of any resource in this environment."""
        return f"{self.prefix}-{name}" if self.prefix else name

    @property
    def environment(self) -> str:
        """Value of the tag `stockpipe:environment` on everything that belongs to this environment."""
        return self.prefix or DEFAULT_ENVIRONMENT

    @property
    def queue(self) -> str:
        """The queue that records are sent to."""
        return self.prefixed(self.of.queue)

    @property
    def dead_letter_queue(self) -> str:
        """Where a message goes that failed too often."""
        return f"{self.queue}-dlq"

    @property
    def topic(self) -> str:
        """The topic that alerts are published to."""
        return self.prefixed(self.of.topic)

    @property
    def inbox_queue(self) -> str:
        """The queue that is subscribed to the topic, so that alerts can be seen on every engine and on AWS."""
        return f"{self.topic}Inbox"

    @property
    def function(self) -> str:
        """The Lambda function."""
        return self.prefixed(self.of.function)

    @property
    def role(self) -> str:
        """The function's execution role."""
        return self.prefixed(self.of.role)

    @property
    def policy(self) -> str:
        """The role's inline policy."""
        return self.prefixed(self.of.policy)

    @property
    def log_group(self) -> str:
        """The function's log group."""
        return f"/aws/lambda/{self.function}"

    @property
    def bucket(self) -> str:
        """The bucket, settable because bucket names are shared by the whole world."""
        return self.bucket_override or self.prefixed(f"{self.of.bucket}-{self.account}-{REGION}")

    @property
    def workgroup(self) -> str:
        """The Athena workgroup."""
        return self.prefixed(self.of.workgroup)

    @property
    def database(self) -> str:
        """The Athena database; underscores, because SQL names have no hyphens."""
        return f"{self.prefix.replace('-', '_')}_{self.of.database}" if self.prefix else self.of.database

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """An ARN in this account: `arn:aws:<service>:<region>:<account>:<resource>`."""
        return f"arn:aws:{service}:{REGION if regional else ''}:{self.account}:{resource}"

    @property
    def queue_arn(self) -> str:
        """ARN of the queue."""
        return self.arn("sqs", self.queue)

    @property
    def dead_letter_queue_arn(self) -> str:
        """ARN of the dead-letter queue."""
        return self.arn("sqs", self.dead_letter_queue)

    @property
    def inbox_queue_arn(self) -> str:
        """ARN of the inbox queue."""
        return self.arn("sqs", self.inbox_queue)

    @property
    def topic_arn(self) -> str:
        """ARN of the alert topic."""
        return self.arn("sns", self.topic)

    @property
    def function_arn(self) -> str:
        """ARN of the function."""
        return self.arn("lambda", f"function:{self.function}")

    @property
    def role_arn(self) -> str:
        """ARN of the role; IAM is not regional."""
        return self.arn("iam", f"role/{self.role}", regional=False)
