"""S3 objects of a table: which are there, and what is in them. Many requests at a time, results in order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from analytics.result import HistoryError
from analytics.store import ListedObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 32
READS = 3  # botocore repeats requests, but not the reading of a body that breaks off

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Fetched:
    """The content of a listed object, with the ETag it has now; both None where the object is gone by now."""

    listed: ListedObject
    etag: str | None
    body: bytes | None


def folders(s3: "S3Client", bucket: str, prefix: str) -> tuple[list[str], list[ListedObject]]:
    """The folder prefixes directly below a prefix, and the objects that are in none of them."""
    below: list[str] = []
    loose: list[ListedObject] = []
    for page in _pages(s3, Bucket=bucket, Prefix=prefix, Delimiter="/"):
        below += [folder["Prefix"] for folder in page.get("CommonPrefixes", [])]
        loose += _visible(page)
    return below, loose


def list_objects(s3: "S3Client", bucket: str, prefixes: Iterable[str]) -> Iterator[ListedObject]:
    """Every object below the prefixes that Athena would read; prefixes are listed at the same time."""
    for found in in_parallel(lambda prefix: _list_one(s3, bucket, prefix), prefixes):
        yield from found


def fetch(s3: "S3Client", bucket: str, objects: Iterable[ListedObject]) -> Iterator[Fetched]:
    """The content of objects, in their order, with at most a few hundred in memory."""
    return in_parallel(lambda one: _fetch_one(s3, bucket, one), objects)


def in_parallel(work: Callable[[_Item], _Answer], items: Iterable[_Item]) -> Iterator[_Answer]:
    """`work` of each item in order, by `THREADS` threads, a bounded number ahead of the reader.

    Unlike with a ThreadPoolExecutor, Ctrl-C doesn't wait for the threads: a frozen endpoint may never answer.
    """

    def outcome(item: _Item) -> Future[_Answer]:
        done = Future[_Answer]()
        try:
            done.set_result(work(item))
        except BaseException as error:  # the pool itself would hang on what is not an Exception
            done.set_exception(error)
        return done

    source, waits = iter(items), True
    pool = ThreadPool(THREADS)
    try:
        while batch := list(islice(source, THREADS * 8)):
            yield from (done.result() for done in pool.imap(outcome, batch))
    except KeyboardInterrupt:
        waits = False
        raise
    finally:
        pool.terminate()
        if waits:
            pool.join()


def _list_one(s3: "S3Client", bucket: str, prefix: str) -> list[ListedObject]:
    return [one for page in _pages(s3, Bucket=bucket, Prefix=prefix) for one in _visible(page)]


def _pages(s3: "S3Client", **request: Any) -> Iterator[Any]:
    try:
        yield from s3.get_paginator("list_objects_v2").paginate(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            raise HistoryError(
                f"there is no bucket {request['Bucket']}, so there is no history yet. Make it with: stockpipe up"
            ) from error
        raise


def _visible(page: Any) -> list[ListedObject]:
    """Athena ignores objects whose name starts with `_` or `.`, and empty ones have no rows.

    https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html
    """
    return [
        ListedObject(item["Key"], item["ETag"].strip('"'), item["Size"])
        for item in page.get("Contents", [])
        if item["Size"] > 0 and not any(part.startswith(("_", ".")) for part in item["Key"].split("/"))
    ]


def _fetch_one(s3: "S3Client", bucket: str, one: ListedObject, reads: int = READS) -> Fetched:
    try:
        answer = s3.get_object(Bucket=bucket, Key=one.key)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            return Fetched(one, None, None)
        raise HistoryError(f"object {one.key!r} can't be read: {error}") from error
    try:
        return Fetched(one, answer["ETag"].strip('"'), answer["Body"].read())
    except BotoCoreError as error:
        if reads > 1:
            return _fetch_one(s3, bucket, one, reads - 1)
        raise HistoryError(f"object {one.key!r} can't be read: {error}") from error
