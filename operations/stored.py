"""Which records are in the bucket, what they say, and what alert markers say: many small calls, side by side."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore.exceptions import ClientError

from profiles.environment import Environment
from profiles.errors import CannotRunError
from runtime.alerts import Marker
from runtime.contract import Contract
from runtime.fields import InvalidRecordError, Record

if TYPE_CHECKING:
    from botocore.response import StreamingBody

LONGEST_RECORD = 65_536  # bytes: many times what the data contract allows
_WORKERS = 16
_GONE = ("NoSuchKey", "404")
_DENIED = ("AccessDenied", "403")
_Answer = TypeVar("_Answer")

Content = Record | str | None
"""The record; the reason, as text, if it is not valid; None if it was not read."""


@dataclass(frozen=True, slots=True)
class Found:
    """A stored record. `place`: a key, or a key and a line."""

    record_id: str
    place: str
    content: Content = None


Foreign = tuple[str, str]
"""A place among the stored records that holds none, and what is wrong there."""


def find_records(
    environment: Environment,
    groups: Iterable[str],
    found: Callable[[list[Found]], None],
    foreign: Callable[[list[Foreign]], None],
) -> None:
    """Hand all stored records of some groups to `found`, page by page, from several threads.

    An object per record is known by its key; objects with several records (`OBJECT_LAYOUT=batch`) are read. Anything
    that is not a record goes to `foreign`.
    """
    s3, bucket, contract = environment.aws.s3, environment.names.bucket, environment.contract
    with ThreadPoolExecutor(_WORKERS) as groups_pool, ThreadPoolExecutor(_WORKERS) as objects_pool:

        def find(group: str) -> None:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=contract.folder(group))
            for page in pages:
                sizes = {item["Key"]: item["Size"] for item in page.get("Contents", [])}
                identities = {key: contract.identity_of_key(key) for key in sizes}
                found([Found(identity[2], key, _flaw(sizes[key])) for key, identity in identities.items() if identity])
                others = [key for key, identity in identities.items() if not identity]
                for records, flaws in objects_pool.map(lambda key: _records_of(environment, key), others):
                    found(records)
                    foreign(flaws)

        for _ in groups_pool.map(find, groups):
            pass


def read_contents(environment: Environment, keys: Iterable[str]) -> Iterator[tuple[str, Content]]:
    """For each key of one record its content; None if the object has been deleted."""
    return _side_by_side(lambda key: _content(environment, key), keys)


def read_marker(environment: Environment, key: str) -> Marker:
    """An alert marker; one without a state if there is none, or if it is not a marker."""
    body = _open(environment, key)
    return Marker.decode(body.read(LONGEST_RECORD), environment.contract.record.ID) if body else Marker()


def read_markers(environment: Environment, keys: Iterable[str]) -> Iterator[tuple[str, Marker]]:
    """For each alert marker what `read_marker` returns."""
    return _side_by_side(lambda key: read_marker(environment, key), keys)


def _side_by_side(call: Callable[[str], _Answer], keys: Iterable[str]) -> Iterator[tuple[str, _Answer]]:
    remaining = iter(keys)
    with ThreadPoolExecutor(_WORKERS) as pool:
        while some := list(islice(remaining, 1000)):
            yield from zip(some, pool.map(call, some), strict=True)


def _flaw(size: int) -> str | None:
    """What a listing shows to be wrong with an object of one record."""
    if size == 0:
        return "the object is empty"
    return f"the object has {size:,} bytes, which is too large for a record" if size > LONGEST_RECORD else None


def _records_of(environment: Environment, key: str) -> tuple[list[Found], list[Foreign]]:
    """The records of a newline-delimited object, and the lines without an id, which can't be compared."""
    found: list[Found] = []
    flaws: list[Foreign] = []
    if (body := _open(environment, key)) is None:
        return found, flaws
    for number, line in enumerate(lines_of(body), start=1):
        place = f"{key} line {number}"
        content = _read(environment.contract, line)
        record_id = content.id if isinstance(content, Record) else environment.contract.told_id(line)
        if record_id and record_id.isascii():
            found.append(Found(record_id, place, content))
        else:
            flaws.append((place, str(content)))
    return found, flaws or ([] if found else [(key, "the object is empty")])


def _content(environment: Environment, key: str) -> Content:
    if (body := _open(environment, key)) is None:
        return None
    lines = list(islice(lines_of(body), 2))
    if len(lines) == 1:
        return _read(environment.contract, lines[0])
    return "it has more than one line" if lines else "the object is empty"


def lines_of(body: "StreamingBody") -> Iterator[bytes]:
    """The lines of an object, each cut after `LONGEST_RECORD` bytes: no record is that long."""
    stream = BufferedReader(cast(Any, body))
    while line := stream.readline(LONGEST_RECORD):
        yield line
        while line and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_RECORD)


def _read(contract: Contract[Any], line: bytes) -> Record | str:
    try:
        record: Record = contract.parse_stored(line).record
    except InvalidRecordError as error:
        return str(error)
    return record


def _open(environment: Environment, key: str) -> "StreamingBody | None":
    """An object's content; None if the object doesn't exist.

    S3 answers 403 for a missing object if the caller may not list the bucket, and also if the caller may not read the
    object: a listing distinguishes the two.
    """
    s3, bucket = environment.aws.s3, environment.names.bucket
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _GONE:
            return None
        if code in _DENIED:
            listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
            if key not in [item["Key"] for item in listed]:
                return None
            raise CannotRunError(f"this profile may not read s3://{bucket}/{key}: it lacks s3:GetObject") from error
        raise
