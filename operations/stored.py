"""Which ticks are in the bucket, what their records say, and what alert markers say: many small calls, side by side."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError
from pipeline.tick import PROCESSED_PREFIX, InvalidTickError, Tick, identity_of_key, parse_record

from profiles.errors import CannotRunError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

LONGEST_RECORD = 65_536  # bytes: many times what the data contract allows
_WORKERS = 16
_GONE = ("NoSuchKey", "404")
_DENIED = ("AccessDenied", "403")


@dataclass(frozen=True, slots=True)
class Found:
    """A stored tick. `place`: a key, or a key and a line.

    `content`: the tick as its record has it; the reason, as text, if the record is not valid; None if it was not read.
    """

    tick_id: str
    place: str
    content: Tick | str | None = None


Foreign = tuple[str, str]
"""A place under `processed/` that holds no record, and what is wrong there."""


def find_ticks(
    s3: "S3Client",
    bucket: str,
    symbols: Iterable[str],
    found: Callable[[list[Found]], None],
    foreign: Callable[[list[Foreign]], None],
) -> None:
    """Hand all stored ticks of some symbols to `found`, page by page, from several threads.

    An object per tick is known by its key; objects with several ticks (`OBJECT_LAYOUT=batch`) are read. Anything that
    is not a record goes to `foreign`.
    """
    with ThreadPoolExecutor(_WORKERS) as symbols_pool, ThreadPoolExecutor(_WORKERS) as objects_pool:

        def find(symbol: str) -> None:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PROCESSED_PREFIX}{symbol}/")
            for page in pages:
                sizes = {item["Key"]: item["Size"] for item in page.get("Contents", [])}
                identities = {key: identity_of_key(key) for key in sizes}
                found([Found(identity[2], key, _flaw(sizes[key])) for key, identity in identities.items() if identity])
                others = [key for key, identity in identities.items() if not identity]
                for ticks, flaws in objects_pool.map(lambda key: _ticks_of(s3, bucket, key), others):
                    found(ticks)
                    foreign(flaws)

        for _ in symbols_pool.map(find, symbols):
            pass


def read_contents(s3: "S3Client", bucket: str, keys: Iterable[str]) -> Iterator[tuple[str, Tick | str | None]]:
    """For each key of one record its content, as in `Found`; None if the object has been deleted."""
    return _side_by_side(lambda key: _content(s3, bucket, key), keys)


def read_marker(s3: "S3Client", bucket: str, key: str) -> dict[str, Any]:
    """The fields of an alert marker; empty if there is no marker, or if it isn't JSON."""
    try:
        body = _open(s3, bucket, key)
        marker = json.loads(body.read(LONGEST_RECORD)) if body else {}
    except (ValueError, RecursionError):
        return {}
    return marker if isinstance(marker, dict) else {}


def read_markers(s3: "S3Client", bucket: str, keys: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each alert marker what `read_marker` returns."""
    return _side_by_side(lambda key: read_marker(s3, bucket, key), keys)


def _side_by_side(call: Callable[[str], Any], keys: Iterable[str]) -> Iterator[tuple[str, Any]]:
    remaining = iter(keys)
    with ThreadPoolExecutor(_WORKERS) as pool:
        while some := list(islice(remaining, 1000)):
            yield from zip(some, pool.map(call, some), strict=True)


def _flaw(size: int) -> str | None:
    """What a listing shows to be wrong with an object of one record."""
    if size == 0:
        return "the object is empty"
    return f"the object has {size:,} bytes, which is too large for a record" if size > LONGEST_RECORD else None


def _ticks_of(s3: "S3Client", bucket: str, key: str) -> tuple[list[Found], list[Foreign]]:
    """The ticks of a newline-delimited object, and the lines without a tick id, which can't be compared."""
    found: list[Found] = []
    flaws: list[Foreign] = []
    if (body := _open(s3, bucket, key)) is None:
        return found, flaws
    for number, line in enumerate(lines_of(body), start=1):
        place = f"{key} line {number}"
        content = _read(line)
        tick_id = content.tick_id if isinstance(content, Tick) else _told_id(line)
        if tick_id is None:
            flaws.append((place, str(content)))
        else:
            found.append(Found(tick_id, place, content))
    return found, flaws or ([] if found else [(key, "the object is empty")])


def _content(s3: "S3Client", bucket: str, key: str) -> Tick | str | None:
    if (body := _open(s3, bucket, key)) is None:
        return None
    lines = list(islice(lines_of(body), 2))
    return _read(lines[0]) if len(lines) == 1 else "it has more than one line" if lines else "the object is empty"


def lines_of(body: "StreamingBody") -> Iterator[bytes]:
    """The lines of an object, each cut after `LONGEST_RECORD` bytes: no record is that long."""
    stream = BufferedReader(cast(Any, body))
    while line := stream.readline(LONGEST_RECORD):
        yield line
        while line and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_RECORD)


def _read(line: bytes) -> Tick | str:
    try:
        return parse_record(line).tick
    except InvalidTickError as error:
        return str(error)


def _told_id(line: bytes) -> str | None:
    """The tick id of a line that is not a valid record."""
    try:
        tick_id = json.loads(line.decode())["tick_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return tick_id if isinstance(tick_id, str) and tick_id.isascii() else None


def _open(s3: "S3Client", bucket: str, key: str) -> "StreamingBody | None":
    """An object's content; None if the object doesn't exist.

    S3 answers 403 for a missing object if the caller may not list the bucket, and also if the caller may not read the
    object: a listing distinguishes the two.
    """
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
