"""Which ticks are in the bucket, and which alerts were sent: many small calls, made side by side."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from pipeline.tick import PROCESSED_PREFIX, identity_of_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Found = tuple[str, str]
"""A tick id, and the place where it is stored: a key, or a key and a line."""

_WORKERS = 16


def find_ticks(s3: "S3Client", bucket: str, symbols: Iterable[str], found: Callable[[list[Found]], None]) -> None:
    """Hand all stored ticks of some symbols to `found`, page by page, from several threads.

    An object per tick is known by its key; objects with several ticks (`OBJECT_LAYOUT=batch`) are read.
    """
    with ThreadPoolExecutor(_WORKERS) as symbols_pool, ThreadPoolExecutor(_WORKERS) as objects_pool:

        def find(symbol: str) -> None:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PROCESSED_PREFIX}{symbol}/")
            for page in pages:
                keys = [item["Key"] for item in page.get("Contents", [])]
                identities = [(key, identity_of_key(key)) for key in keys]
                found([(identity[2], key) for key, identity in identities if identity])
                others = [key for key, identity in identities if not identity]
                for ticks in objects_pool.map(lambda key: _ticks_of(s3, bucket, key), others):
                    found(ticks)

        for _ in symbols_pool.map(find, symbols):
            pass


def unpublished(s3: "S3Client", bucket: str, marker_keys: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """For each alert marker, whether its alert is missing: there is no marker, or none that says `published`."""
    remaining = iter(marker_keys)
    with ThreadPoolExecutor(_WORKERS) as pool:
        while keys := list(islice(remaining, 1000)):
            yield from zip(keys, pool.map(lambda key: not _is_published(s3, bucket, key), keys), strict=True)


def _ticks_of(s3: "S3Client", bucket: str, key: str) -> list[Found]:
    """The ticks of a newline-delimited object; lines that hold none are not ours to judge here."""
    found = []
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    for number, line in enumerate(body.splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("tick_id"), str):
            found.append((record["tick_id"], f"{key} line {number}"))
    return found


def _is_published(s3: "S3Client", bucket: str, key: str) -> bool:
    try:
        marker = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except (s3.exceptions.NoSuchKey, ValueError):
        return False
    return isinstance(marker, dict) and marker.get("state") == "published"
