"""The bucket, written under conditions: what makes a redelivered tick land once and an alert belong to one function.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pipeline.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.05


class Bucket:
    """One bucket. What AWS refuses for any other reason than an unmet condition is raised as boto3 raises it."""

    def __init__(self, s3: "S3Client", clock: Clock, name: str) -> None:
        self._s3 = s3
        self._clock = clock
        self._name = name

    def create(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str | None:
        """Create an object. Returns its ETag, or None where the key is taken."""
        return self._unless_refused(
            lambda: self._s3.put_object(
                Bucket=self._name,
                Key=key,
                Body=body,
                ContentType="application/json",
                Metadata=metadata,
                IfNoneMatch="*",
            )["ETag"]
        )

    def replace(self, key: str, body: bytes, etag: str) -> str | None:
        """Overwrite the object that has this ETag. Returns the new one, or None where somebody else was first."""
        return self._unless_refused(
            lambda: self._s3.put_object(
                Bucket=self._name, Key=key, Body=body, ContentType="application/json", IfMatch=etag
            )["ETag"]
        )

    def read(self, key: str) -> tuple[bytes, str]:
        """The object's content and ETag."""
        answer = self._s3.get_object(Bucket=self._name, Key=key)
        return answer["Body"].read(), answer["ETag"]

    def _unless_refused(self, put: Callable[[], str]) -> str | None:
        """Call `put`; 412 PreconditionFailed is None.

        409 ConditionalRequestConflict means that another conditional write to the key was under way: AWS asks for a
        retry, and botocore doesn't do it by itself.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return put()
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "PreconditionFailed":
                    return None
                if code != "ConditionalRequestConflict" or attempt == _ATTEMPTS:
                    raise
            self._clock.sleep(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")
