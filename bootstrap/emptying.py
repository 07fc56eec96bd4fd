"""Emptying a bucket: every object version, delete marker and unfinished upload, in batches that back off.

S3 can refuse a DeleteObjects call as a whole, or single objects in a successful answer. Temporary errors ("SlowDown"
until S3 has split a busy prefix, "InternalError") are tried again after a pause, for the refused objects only.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from botocore.exceptions import ClientError

from bootstrap.resource import error_code
from profiles.errors import CannotRunError
from profiles.session import Aws
from runtime.clock import Clock

WORKERS = 8
LISTED_AHEAD = 2 * WORKERS  # batches of at most 1,000 versions: what is in memory doesn't grow with the bucket
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0
PATIENCE_SECONDS = 300.0  # of one batch, since it last got smaller

_PASSING = frozenset({"SlowDown", "ServiceUnavailable", "503", "InternalError", "RequestTimeout", "OperationAborted"})
_GONE = frozenset({"NoSuchKey", "NoSuchVersion"})

Version = Mapping[str, str]


class Emptying:
    """One bucket being emptied. `report` is called with a progress text every few seconds, from any thread."""

    def __init__(
        self, aws: Aws, bucket: str, clock: Clock, stopped: threading.Event, report: Callable[[str], None]
    ) -> None:
        self._aws = aws
        self._bucket = bucket
        self._clock = clock
        self._stopped = stopped
        self._report = report
        self._failed = threading.Event()
        self._deleted = 0
        self._lock = threading.Lock()

    def run(self) -> None:
        """Empty it; a bucket that isn't there is empty. Raises `CannotRunError`."""
        with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="empty-bucket") as pool:
            try:
                self._delete_all(pool)
                self._abort_uploads()
            except ClientError as error:
                self._failed.set()
                if error_code(error) != "NoSuchBucket":
                    raise CannotRunError(f"bucket {self._bucket} could not be emptied: {error}") from error
            except BaseException:
                self._failed.set()
                raise

    def _delete_all(self, pool: ThreadPoolExecutor) -> None:
        running: set[Future[None]] = set()
        for page in self._aws.s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if not found:
                continue
            if len(running) >= LISTED_AHEAD:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                _raise_first_error(done)
            batch = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            running.add(pool.submit(self._delete, batch))
        _raise_first_error(wait(running).done)

    def _delete(self, batch: Sequence[Version]) -> None:
        pause, since = FIRST_PAUSE_SECONDS, self._clock.monotonic()
        while batch:
            if self._stopped.is_set() or self._failed.is_set():
                raise CannotRunError("stopped before DeleteObjects")
            left, reason = self._try(batch)
            if len(left) < len(batch):
                pause, since = FIRST_PAUSE_SECONDS, self._clock.monotonic()
                self._count(len(batch) - len(left))
            if left and self._clock.monotonic() - since >= PATIENCE_SECONDS:
                raise CannotRunError(
                    f"bucket {self._bucket} could not be emptied: S3 answered {reason} for {PATIENCE_SECONDS:.0f} s; "
                    "it is short of capacity for this bucket for now, so try again later"
                )
            if left:
                self._clock.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            batch = left

    def _try(self, batch: Sequence[Version]) -> tuple[Sequence[Version], str]:
        """Try to delete a batch. Returns the versions that S3 refused for now, and the error code."""
        try:
            answer = self._aws.s3.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": batch, "Quiet": True},  # type: ignore[typeddict-item]
            )
        except ClientError as error:
            if error_code(error) not in _PASSING:
                raise
            return batch, error_code(error)
        refused = [one for one in answer.get("Errors", []) if one.get("Code") not in _GONE]
        for one in refused:
            if one.get("Code") not in _PASSING:
                raise CannotRunError(
                    f"{len(refused)} objects of bucket {self._bucket} could not be deleted, "
                    f"for example {one.get('Key')}: {one.get('Message') or one.get('Code')}"
                )
        left = {(one.get("Key"), one.get("VersionId")) for one in refused}
        reason = str(refused[0].get("Code")) if refused else ""
        return [one for one in batch if (one["Key"], one["VersionId"]) in left], reason

    def _count(self, deleted: int) -> None:
        with self._lock:
            self._deleted += deleted
            self._report(f"{self._deleted:,} object versions deleted")

    def _abort_uploads(self) -> None:
        for page in self._aws.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket):
            for upload in page.get("Uploads", []):
                try:
                    self._aws.s3.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                except ClientError as error:
                    if error_code(error) != "NoSuchUpload":
                        raise


def _raise_first_error(done: Iterable[Future[None]]) -> None:
    for future in done:
        future.result()
