"""Where is a record stored? By its key where that is known; else by listing, as little as possible, with a limit."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from operations.stored import lines_of
from profiles.environment import Environment
from runtime.contract import Stored
from runtime.fields import InvalidRecordError, Record

Observer = Callable[[str], None]

DEFAULT_LIMIT = 200_000
_WORKERS = 16
# How much older than a record the first one of its batch is, as a rule: a shared object's key has that one's time.
_LOOK_BACK_MS = 600_000


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """Where a record is stored. `content` is None if what is there is not valid.

    `request_id`: the Lambda request that stored it, empty if not known.
    """

    key: str
    content: Stored[Any] | None
    request_id: str


class SearchLimitError(Exception):
    """The search ended before everything was looked at. The text says how much was."""


def find_record(
    environment: Environment, record: Record, *, thorough: bool, limit: int, observer: Observer
) -> StoredRecord | None:
    """A record whose group and time are known: one read, and where it shares an object, a listing of that time.

    `thorough`: look into all shared objects of the group. In a replay a batch may span years. Raises
    `SearchLimitError` after `limit` objects.
    """
    found = _read(environment, environment.contract.key(record), record.id)
    if found:
        return found
    near = _keys_before(environment, record)
    found = _first(environment, _nearest_first(near, record), record.id)
    if found or not thorough:
        return found
    everything = _Listing(environment, record.id, limit, observer).shared_objects([record.group])
    return _first(environment, _nearest_first((key for key in everything if key not in near), record), record.id)


def search(
    environment: Environment, record_id: str, *, group: str | None, limit: int, observer: Observer
) -> StoredRecord | None:
    """A record of which only the id is known: all keys are listed, groups side by side, then shared objects are read.

    Raises `SearchLimitError` after `limit` objects.
    """
    listing = _Listing(environment, record_id, limit, observer)
    shared = listing.shared_objects([group] if group else _groups(environment))
    if listing.found:
        return _read(environment, listing.found, record_id)
    return _first(environment, shared, record_id)


class _Listing:
    """Lists the keys of groups, until one is the record's own."""

    def __init__(self, environment: Environment, record_id: str, limit: int, observer: Observer) -> None:
        self._environment = environment
        self._record_id = record_id
        self._limit = limit
        self._observer = observer
        self._lock = threading.Lock()
        self._listed = 0
        self.found = ""

    def shared_objects(self, groups: Iterable[str]) -> list[str]:
        """The keys of objects that hold several records; all that were listed before `found` was."""
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="list") as pool:
            shared = [key for keys in pool.map(self._list, groups) for key in keys]
        if self._listed >= self._limit and not self.found:
            raise SearchLimitError(f"looked at {self._listed:,} objects")
        return shared

    def _list(self, group: str) -> list[str]:
        shared = []
        for page in _pages(self._environment, self._environment.contract.folder(group)):
            keys = _keys(page)
            for key in keys:
                identity = self._environment.contract.identity_of_key(key)
                if identity is None:
                    shared.append(key)
                elif identity[2] == self._record_id:
                    self.found = key
            with self._lock:
                self._listed += len(keys)
                self._observer(f"looked at {self._listed:,} objects")
            if self.found or self._listed >= self._limit:
                break
        return shared


def _pages(environment: Environment, prefix: str, **options: str) -> Iterator[Any]:
    listing: Any = environment.aws.s3.get_paginator("list_objects_v2")
    yield from listing.paginate(Bucket=environment.names.bucket, Prefix=prefix, **options)


def _keys(page: Any) -> list[str]:
    return [item["Key"] for item in page.get("Contents", [])]


def _groups(environment: Environment) -> list[str]:
    """The folders of stored records; where a group has several parts, its first."""
    prefix = environment.contract.prefix
    pages = _pages(environment, prefix, Delimiter="/")
    return [
        folder["Prefix"].removeprefix(prefix).rstrip("/") for page in pages for folder in page.get("CommonPrefixes", [])
    ]


def _keys_before(environment: Environment, record: Record) -> list[str]:
    """Shared objects whose first record is as old as this one, or a little older. Keys sort by time."""
    folder = environment.contract.folder(record.group)
    last = f"{folder}{record.epoch_ms}~"
    found = []
    start_after = f"{folder}{max(0, record.epoch_ms - _LOOK_BACK_MS)}"
    for keys in map(_keys, _pages(environment, folder, StartAfter=start_after)):
        found += [key for key in keys if key <= last and environment.contract.identity_of_key(key) is None]
        if keys and keys[-1] > last:
            break
    return found


def _nearest_first(keys: Iterable[str], record: Record) -> list[str]:
    """Objects that can hold the record, those whose first one is nearest to it first."""
    by_time = [(_epoch_of(key), key) for key in keys]
    return [key for epoch, key in sorted(by_time, reverse=True) if epoch <= record.epoch_ms]


def _epoch_of(key: str) -> int:
    digits = key.rsplit("/", 1)[-1].partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _first(environment: Environment, keys: Iterable[str], record_id: str) -> StoredRecord | None:
    remaining = iter(keys)
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="read") as pool:
        while some := list(islice(remaining, _WORKERS)):
            for found in pool.map(lambda key: _read(environment, key, record_id), some):
                if found:
                    return found
    return None


def _read(environment: Environment, key: str, record_id: str) -> StoredRecord | None:
    """A record in an object; without content if its line, or its own object, holds something else."""
    s3, contract = environment.aws.s3, environment.contract
    try:
        answer = s3.get_object(Bucket=environment.names.bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None
    request_id = answer["Metadata"].get("request-id", "")
    for line in lines_of(answer["Body"]):
        if contract.told_id(line) == record_id:
            try:
                return StoredRecord(key, contract.parse_stored(line), request_id)
            except InvalidRecordError:
                return StoredRecord(key, None, request_id)
    identity = contract.identity_of_key(key)
    return StoredRecord(key, None, request_id) if identity and identity[2] == record_id else None
