"""Where is a tick stored? By its key where that is known; else by listing, as little as possible and with a limit."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.tick import PROCESSED_PREFIX, Tick, identity_of_key, record_key

from operations.stored import lines_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Observer = Callable[[str], None]

DEFAULT_LIMIT = 200_000
_WORKERS = 16
# How much older than a tick the first tick of its batch is, as a rule: a shared object's key has that one's time.
_LOOK_BACK_MS = 600_000


@dataclass(frozen=True, slots=True)
class StoredTick:
    """A stored record, as it was read. `request_id`: the Lambda request that stored it, empty if not known."""

    key: str
    record: dict[str, Any]
    request_id: str


class SearchLimitError(Exception):
    """The search ended before everything was looked at. The text says how much was."""


def find_by_tick(
    s3: "S3Client", bucket: str, tick: Tick, *, thorough: bool, limit: int, observer: Observer
) -> StoredTick | None:
    """A tick whose symbol and time are known: one read, and where it shares an object, a listing of that time.

    `thorough`: look into all shared objects of the symbol. In a replay a batch may span years. Raises
    `SearchLimitError` after `limit` objects.
    """
    found = _read(s3, bucket, record_key(tick), tick.tick_id)
    if found:
        return found
    near = _keys_before(s3, bucket, tick)
    found = _first(s3, bucket, _nearest_first(near, tick), tick.tick_id)
    if found or not thorough:
        return found
    everything = _Listing(s3, bucket, tick.tick_id, limit, observer).shared_objects([tick.symbol])
    return _first(s3, bucket, _nearest_first((key for key in everything if key not in near), tick), tick.tick_id)


def search(
    s3: "S3Client", bucket: str, tick_id: str, *, symbol: str | None, limit: int, observer: Observer
) -> StoredTick | None:
    """A tick of which only the id is known: all keys are listed, symbols side by side, then shared objects are read.

    Raises `SearchLimitError` after `limit` objects.
    """
    symbols = [symbol] if symbol else list(_symbols(s3, bucket))
    listing = _Listing(s3, bucket, tick_id, limit, observer)
    shared = listing.shared_objects(symbols)
    if listing.found:
        return _read(s3, bucket, listing.found, tick_id)
    return _first(s3, bucket, shared, tick_id)


class _Listing:
    """Lists the keys of symbols, until one is the tick's own."""

    def __init__(self, s3: "S3Client", bucket: str, tick_id: str, limit: int, observer: Observer) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._tick_id = tick_id
        self._limit = limit
        self._observer = observer
        self._lock = threading.Lock()
        self._listed = 0
        self.found = ""

    def shared_objects(self, symbols: Iterable[str]) -> list[str]:
        """The keys of objects that hold several ticks; all that were listed before `found` was."""
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="list") as pool:
            shared = [key for keys in pool.map(self._list, symbols) for key in keys]
        if self._listed >= self._limit and not self.found:
            raise SearchLimitError(f"looked at {self._listed:,} objects")
        return shared

    def _list(self, symbol: str) -> list[str]:
        shared = []
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{PROCESSED_PREFIX}{symbol}/"
        )
        for page in pages:
            keys = [item["Key"] for item in page.get("Contents", [])]
            for key in keys:
                identity = identity_of_key(key)
                if identity is None:
                    shared.append(key)
                elif identity[2] == self._tick_id:
                    self.found = key
            with self._lock:
                self._listed += len(keys)
                self._observer(f"looked at {self._listed:,} objects")
            if self.found or self._listed >= self._limit:
                break
        return shared


def _symbols(s3: "S3Client", bucket: str) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PROCESSED_PREFIX, Delimiter="/")
    for page in pages:
        for prefix in page.get("CommonPrefixes", []):
            yield prefix["Prefix"].removeprefix(PROCESSED_PREFIX).rstrip("/")


def _keys_before(s3: "S3Client", bucket: str, tick: Tick) -> list[str]:
    """Shared objects whose first tick is as old as this one, or a little older. Keys sort by time."""
    folder = f"{PROCESSED_PREFIX}{tick.symbol}/"
    last = f"{folder}{tick.epoch_ms}~"
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=folder, StartAfter=f"{folder}{max(0, tick.epoch_ms - _LOOK_BACK_MS)}"
    )
    found = []
    for page in pages:
        keys = [item["Key"] for item in page.get("Contents", [])]
        found += [key for key in keys if key <= last and identity_of_key(key) is None]
        if keys and keys[-1] > last:
            break
    return found


def _nearest_first(keys: Iterable[str], tick: Tick) -> list[str]:
    """Objects that can hold the tick, those whose first tick is nearest to it first."""
    by_time = [(_epoch_of(key), key) for key in keys]
    return [key for epoch, key in sorted(by_time, reverse=True) if epoch <= tick.epoch_ms]


def _epoch_of(key: str) -> int:
    digits = key.rsplit("/", 1)[-1].partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _first(s3: "S3Client", bucket: str, keys: Iterable[str], tick_id: str) -> StoredTick | None:
    remaining = iter(keys)
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="read") as pool:
        while some := list(islice(remaining, _WORKERS)):
            for found in pool.map(lambda key: _read(s3, bucket, key, tick_id), some):
                if found:
                    return found
    return None


def _read(s3: "S3Client", bucket: str, key: str, tick_id: str) -> StoredTick | None:
    """The record of one tick in an object, or None. It is empty if the tick's own object holds something else."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None
    request_id = answer["Metadata"].get("request-id", "")
    for line in lines_of(answer["Body"]):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record.get("tick_id") == tick_id:
            return StoredTick(key, record, request_id)
    identity = identity_of_key(key)
    return StoredTick(key, {}, request_id) if identity and identity[2] == tick_id else None
