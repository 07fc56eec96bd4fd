"""Reading a resource that isn't there."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

T = TypeVar("T")


def error_code(error: ClientError) -> str:
    """The error code of an answer, for example `NoSuchBucket`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def unless(codes: tuple[str, ...], read: Callable[[], T]) -> T | None:
    """The result of a read, or None where AWS answers with one of these codes."""
    try:
        return read()
    except ClientError as error:
        if error_code(error) in codes:
            return None
        raise
