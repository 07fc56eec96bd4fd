"""Conditional writes to the bucket: a redelivered record is stored once, and an alert belongs to one function.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

Requests are repeated here and not by botocore, which would start another attempt after the deadline. If the answer to a
write got lost, its repeat is refused, because the first attempt has changed the object. So None can also mean that the
object is the caller's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from runtime.deadline import Deadline

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_T = TypeVar("_T")
_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Bucket:
    """One bucket. Errors of S3 other than an unmet condition are raised as boto3 raises them.

    After the deadline no request is sent; `OutOfTimeError` is raised.
    """

    s3: "S3Client"
    name: str

    def create(self, key: str, body: bytes, metadata: Mapping[str, str], deadline: Deadline) -> str | None:
        """Create an object. Returns its ETag, or None if the key is taken. Gives up after five attempts."""
        return self._put(key, body, deadline, _ATTEMPTS, Metadata=metadata, IfNoneMatch="*")

    def replace(self, key: str, body: bytes, etag: str, deadline: Deadline) -> str | None:
        """Overwrite the object that has this ETag. Returns the new ETag, or None if the object has another one by now.

        Repeated until S3 has answered, or until the deadline.
        """
        return self._put(key, body, deadline, None, IfMatch=etag)

    def read(self, key: str, deadline: Deadline) -> tuple[bytes, str]:
        """The object's content and ETag."""

        def get() -> tuple[bytes, str]:
            answer = self.s3.get_object(Bucket=self.name, Key=key)
            return answer["Body"].read(), answer["ETag"]

        return _repeated(get, deadline, _ATTEMPTS)

    def _put(self, key: str, body: bytes, deadline: Deadline, attempts: int | None, **conditions: Any) -> str | None:
        def put() -> str:
            return self.s3.put_object(
                Bucket=self.name, Key=key, Body=body, ContentType="application/json", **conditions
            )["ETag"]

        try:
            return _repeated(put, deadline, attempts)
        except ClientError as error:
            if error.response["Error"]["Code"] == "PreconditionFailed":
                return None
            raise


def _repeated(call: Callable[[], _T], deadline: Deadline, attempts: int | None) -> _T:
    """Call until there is an answer that a repeat wouldn't change; None = as often as the deadline allows."""
    pause = _FIRST_PAUSE_SECONDS
    for attempt in count(1):
        deadline.check()
        try:
            return call()
        except (ClientError, HTTPClientError, NoConnectionError) as error:
            if attempt == attempts or not _worth_a_repeat(error):
                raise
        deadline.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    raise AssertionError("unreachable: the loop returns or raises")


def _worth_a_repeat(error: Exception) -> bool:
    """Whether the outcome is unknown (no answer, 5xx) or AWS asks for a repeat.

    409 ConditionalRequestConflict: another conditional write to the key was under way.
    """
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status >= 500 or error.response["Error"]["Code"] in ("ConditionalRequestConflict", "RequestTimeout")
