"""Stored records: listing their objects, finding a record, and reading them. Small calls run side by side.

An object per record is known by its key. An object with several records (`OBJECT_LAYOUT=batch`) has to be read.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from threading import Lock
from typing import Any, TypeVar, cast

from botocore.exceptions import ClientError

from profiles.environment import Environment
from profiles.errors import CannotRunError
from runtime.contract import Contract, Stored
from runtime.fields import InvalidRecordError, Record

LONGEST_RECORD = 65_536  # bytes: many times what the data contract allows
DEFAULT_LIMIT = 200_000  # objects that are looked at in a search
_WORKERS = 16
_READ_AHEAD = 1000
# How much older than a record the first one of its batch is, as a rule: a shared object's key has that one's time.
_LOOK_BACK_MS = 600_000
_GONE = ("NoSuchKey", "404")
_DENIED = ("AccessDenied", "403")
_EMPTY = "the object is empty"
_OTHER = "the object holds something else"
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

Observer = Callable[[str], None]
Content = Stored[Any] | str | None
"""The record; the reason, as text, if it is not valid; None if it was not read."""
Foreign = tuple[str, str]
"""A place among the stored records that holds none, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object, as a listing shows it. `modified`: when S3 stored it, seconds since 1970; `size` in bytes."""

    key: str
    group: str
    modified: float
    size: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A stored record, in a line of an object, counted from 1; 0: it has the object to itself.

    `request_id`: the Lambda request that stored it, empty if not known.
    """

    record_id: str
    key: str
    content: Content = None
    line: int = 0
    request_id: str = ""

    @property
    def place(self) -> str:
        """The key, and the line if there are several."""
        return f"{self.key} line {self.line}" if self.line else self.key


class SearchLimitError(Exception):
    """The search ended before everything was looked at. The text says how much was."""


def list_page(environment: Environment, prefix: str, after: str = "") -> tuple[list[StoredObject], bool]:
    """Up to 1,000 objects in the order of their keys, those after a key; and whether there are more. One call."""
    contract = environment.contract
    answer = environment.aws.s3.list_objects_v2(Bucket=environment.names.bucket, Prefix=prefix, StartAfter=after)
    page = [
        StoredObject(one["Key"], contract.group_of_key(one["Key"]), one["LastModified"].timestamp(), one["Size"])
        for one in answer.get("Contents", [])
    ]
    return page, answer["IsTruncated"]


def list_pages(environment: Environment, prefix: str, after: str = "") -> Iterator[list[StoredObject]]:
    """All objects with a prefix, page by page."""
    more = True
    while more:
        page, more = list_page(environment, prefix, after)
        yield page
        after = page[-1].key if page else after


def find_all(
    environment: Environment,
    groups: Iterable[str],
    found: Callable[[list[Found]], None],
    foreign: Callable[[list[Foreign]], None],
) -> None:
    """Hand all stored records of some groups to `found`, page by page, from several threads.

    Anything that is not a record goes to `foreign`. Objects with one record are not read.
    """
    contract = environment.contract
    with ThreadPoolExecutor(_WORKERS) as groups_pool, ThreadPoolExecutor(_WORKERS) as objects_pool:

        def find(group: str) -> None:
            for page in list_pages(environment, contract.folder(group)):
                identities = {one.key: contract.identity_of_key(one.key) for one in page}
                sizes = {one.key: one.size for one in page}
                found([Found(own[2], key, _flaw(sizes[key])) for key, own in identities.items() if own])
                shared = [key for key, own in identities.items() if not own]
                for records, flaws in objects_pool.map(lambda key: read_object(environment, key), shared):
                    found(records)
                    foreign(flaws)

        for _ in groups_pool.map(find, groups):
            pass


def find_record(
    environment: Environment, record: Record, *, thorough: bool, limit: int, observer: Observer
) -> Found | None:
    """A record whose group and time are known: one read, and where it shares an object, a listing of that time.

    `thorough`: look into all shared objects of the group. A batch of replayed records may span years. Raises
    `SearchLimitError` after `limit` objects.
    """
    if found := _find_in(environment, environment.contract.key(record), record.id):
        return found
    near = _keys_before(environment, record)
    found = _first(environment, near, record.id)
    if found or not thorough:
        return found
    everything, _ = _list_shared(environment, record.id, [record.group], limit, observer)
    return _first(environment, (key for key in _nearest_first(everything, record) if key not in near), record.id)


def find_by_id(
    environment: Environment, record_id: str, *, group: str | None, limit: int, observer: Observer
) -> Found | None:
    """A record of which only the id is known: all keys are listed, groups side by side, then shared objects are read.

    Raises `SearchLimitError` after `limit` objects.
    """
    groups = [group] if group else _groups(environment)
    shared, own = _list_shared(environment, record_id, groups, limit, observer)
    return _find_in(environment, own, record_id) if own else _first(environment, shared, record_id)


def read_contents(environment: Environment, keys: Iterable[str]) -> Iterator[tuple[str, Content]]:
    """For each key of one record its content; None if the object has been deleted."""

    def read(key: str) -> Content:
        found, flaws = read_object(environment, key, 2 * LONGEST_RECORD)
        if len(found) + len(flaws) > 1:
            return "it has more than one line"
        return found[0].content if found else flaws[0][1] if flaws else None

    return side_by_side(read, keys)


def read_object(environment: Environment, key: str, most_bytes: int | None = None) -> tuple[list[Found], list[Foreign]]:
    """The records of an object, and its lines without an id; at most `most_bytes` are read. Nothing if it is gone."""
    opened = open_object(environment, key, most_bytes)
    return records_in(environment.contract, key, opened[1]) if opened else ([], [])


def records_in(contract: Contract[Any], key: str, lines: Iterable[bytes]) -> tuple[list[Found], list[Foreign]]:
    """The records in the lines of an object, and the lines without an id, which can't be compared."""
    found: list[Found] = []
    flaws: list[Foreign] = []
    for number, line in enumerate(lines, start=1):
        content = read_line(contract, line)
        record_id = contract.told_id(line) if isinstance(content, str) else content.record.id
        if record_id and record_id.isascii():
            found.append(Found(record_id, key, content, number))
        else:
            flaws.append((f"{key} line {number}", str(content)))
    return found, flaws or ([] if found else [(key, _EMPTY)])


def read_line(contract: Contract[Any], line: bytes) -> Stored[Any] | str:
    """The stored record in a line, or why it is not valid."""
    try:
        return contract.parse_stored(line)
    except InvalidRecordError as error:
        return str(error)


def open_object(
    environment: Environment, key: str, most_bytes: int | None = None
) -> tuple[str, Iterator[bytes]] | None:
    """The request that stored an object, and its lines, up to `most_bytes`; None if it doesn't exist.

    A line is cut after `LONGEST_RECORD` bytes: no record is that long. S3 answers 403 for a missing object if the
    caller may not list the bucket, and also if the caller may not read the object: a listing distinguishes the two.
    """
    s3, bucket = environment.aws.s3, environment.names.bucket
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _GONE:
            return None
        if code in _DENIED:
            if key not in [one.key for one in list_page(environment, key)[0]]:
                return None
            raise CannotRunError(f"this profile may not read s3://{bucket}/{key}: it lacks s3:GetObject") from error
        raise
    return answer["Metadata"].get("request-id", ""), _lines_of(answer["Body"], most_bytes)


def side_by_side(call: Callable[[_Item], _Answer], items: Iterable[_Item]) -> Iterator[tuple[_Item, _Answer]]:
    """Each item with the answer of `call`, in order. If this is closed, calls that have not begun are left out."""
    remaining = iter(items)
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="read")
    try:
        while some := list(islice(remaining, _READ_AHEAD)):
            yield from zip(some, pool.map(call, some), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _lines_of(body: Any, most_bytes: int | None) -> Iterator[bytes]:
    stream = BufferedReader(cast(Any, body))
    read = 0
    while (most_bytes is None or read < most_bytes) and (line := stream.readline(LONGEST_RECORD)):
        yield line
        read += len(line)
        while line and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_RECORD)


def _flaw(size: int) -> str | None:
    """What a listing shows to be wrong with an object of one record."""
    if size == 0:
        return _EMPTY
    return f"the object has {size:,} bytes, which is too large for a record" if size > LONGEST_RECORD else None


def _list_shared(
    environment: Environment, record_id: str, groups: Iterable[str], limit: int, observer: Observer
) -> tuple[list[str], str]:
    """The keys of objects that hold several records, and the key of the record's own object.

    Once that is known, not all are listed.
    """
    own: list[str] = []
    listed = 0
    lock = Lock()

    def keys_of(group: str) -> list[str]:
        nonlocal listed
        shared = []
        for page in list_pages(environment, environment.contract.folder(group)):
            for one in page:
                identity = environment.contract.identity_of_key(one.key)
                if identity is None:
                    shared.append(one.key)
                elif identity[2] == record_id:
                    own.append(one.key)
            with lock:
                listed += len(page)
                observer(f"looked at {listed:,} objects")
            if own or listed >= limit:
                break
        return shared

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="list") as pool:
        everything = [key for keys in pool.map(keys_of, groups) for key in keys]
    if listed >= limit and not own:
        raise SearchLimitError(f"looked at {listed:,} objects")
    return everything, own[0] if own else ""


def _groups(environment: Environment) -> list[str]:
    """The folders of stored records; where a group has several parts, its first."""
    prefix = environment.contract.prefix
    pages = environment.aws.s3.get_paginator("list_objects_v2").paginate(
        Bucket=environment.names.bucket, Prefix=prefix, Delimiter="/"
    )
    folders = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
    return [folder.removeprefix(prefix).rstrip("/") for folder in folders]


def _keys_before(environment: Environment, record: Record) -> list[str]:
    """Shared objects whose first record is as old as this one, or a little older, the nearest first."""
    folder = environment.contract.folder(record.group)
    last = f"{folder}{record.epoch_ms}~"  # keys sort by time
    found = []
    for page in list_pages(environment, folder, f"{folder}{max(0, record.epoch_ms - _LOOK_BACK_MS)}"):
        keys = [one.key for one in page]
        found += [key for key in keys if key <= last and environment.contract.identity_of_key(key) is None]
        if keys and keys[-1] > last:
            break
    return _nearest_first(found, record)


def _nearest_first(keys: Iterable[str], record: Record) -> list[str]:
    """Objects that can hold the record, those whose first one is nearest to it first."""
    by_time = [(_epoch_of(key), key) for key in keys]
    return [key for epoch, key in sorted(by_time, reverse=True) if epoch <= record.epoch_ms]


def _epoch_of(key: str) -> int:
    digits = key.rsplit("/", 1)[-1].partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _first(environment: Environment, keys: Iterable[str], record_id: str) -> Found | None:
    answers = side_by_side(lambda key: _find_in(environment, key, record_id), keys)
    return next((found for _, found in answers if found), None)


def _find_in(environment: Environment, key: str, record_id: str) -> Found | None:
    """A record in an object; with a reason as its content if its line, or its own object, holds something else."""
    contract = environment.contract
    opened = open_object(environment, key)
    if opened is None:
        return None
    request_id, lines = opened
    for line in lines:
        if contract.told_id(line) == record_id:
            return Found(record_id, key, read_line(contract, line), request_id=request_id)
    identity = contract.identity_of_key(key)
    return Found(record_id, key, _OTHER, request_id=request_id) if identity and identity[2] == record_id else None
