"""The names of every resource, for one environment.

An environment is a prefix: `stockpipe --prefix alice` puts `alice-` before every name, so several share an account.
"""

import re
from collections.abc import Callable
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


class _Name:
    """An attribute of `Names` that follows from the others."""

    def __init__(self, of: "Callable[[Names], str]") -> None:
        self._of = of

    def __get__(self, names: "Names", _owner: object = None) -> str:
        return self._of(names)


@dataclass(frozen=True)
class Names:
    """Resource names of the environment `prefix` (empty: the names as they are) in `account`."""

    of: ResourceNames
    account: str
    prefix: str = ""
    bucket_override: str | None = None

    def __post_init__(self) -> None:
        """Refuse a prefix or a bucket that AWS would refuse (of all names, bucket names have the strictest rules)."""
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

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """An ARN in this account: `arn:aws:<service>:<region>:<account>:<resource>`."""
        return f"arn:aws:{service}:{REGION if regional else ''}:{self.account}:{resource}"

    # The value of the tag `stockpipe:environment` on everything that belongs to this environment.
    environment = _Name(lambda its: its.prefix or DEFAULT_ENVIRONMENT)

    queue = _Name(lambda its: its.prefixed(its.of.queue))  # that records are sent to
    dead_letter_queue = _Name(lambda its: f"{its.queue}-dlq")  # for messages that failed too often
    topic = _Name(lambda its: its.prefixed(its.of.topic))  # that alerts are published to
    inbox_queue = _Name(lambda its: f"{its.topic}Inbox")  # subscribed to the topic: alerts can be seen on any endpoint
    function = _Name(lambda its: its.prefixed(its.of.function))
    role = _Name(lambda its: its.prefixed(its.of.role))  # the function's execution role
    policy = _Name(lambda its: its.prefixed(its.of.policy))  # the role's inline policy
    log_group = _Name(lambda its: f"/aws/lambda/{its.function}")  # the function's
    bucket = _Name(lambda its: its.bucket_override or its.prefixed(f"{its.of.bucket}-{its.account}-{REGION}"))
    workgroup = _Name(lambda its: its.prefixed(its.of.workgroup))  # Athena's
    # Athena's database; SQL names have no hyphens.
    database = _Name(lambda its: f"{its.prefix}_{its.of.database}".replace("-", "_").removeprefix("_"))

    queue_arn = _Name(lambda its: its.arn("sqs", its.queue))
    dead_letter_queue_arn = _Name(lambda its: its.arn("sqs", its.dead_letter_queue))
    inbox_queue_arn = _Name(lambda its: its.arn("sqs", its.inbox_queue))
    topic_arn = _Name(lambda its: its.arn("sns", its.topic))
    function_arn = _Name(lambda its: its.arn("lambda", f"function:{its.function}"))
    role_arn = _Name(lambda its: its.arn("iam", f"role/{its.role}", regional=False))
