"""S3 and SNS in memory, with S3's rules for conditional writes, and a clock that moves only when somebody sleeps.

And the stock function's parts, wired to them.
"""

import hashlib
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from pipeline.contract import CONTRACT, Tick
from pipeline.rules import RULES, Settings
from runtime.alerts import Alerter
from runtime.batch import Processor
from runtime.bucket import Bucket
from runtime.clock import Clock
from runtime.deadline import Deadline
from runtime.storage import Store

Hook = Callable[[str, str, dict[str, Any]], None]


def client_error(operation: str, code: str, status: int) -> ClientError:
    """The exception that boto3 raises for this answer."""
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


def no_hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
    """Let every call through."""


class FakeTime:
    """A clock that `sleep` moves."""

    def __init__(self) -> None:
        self.current = datetime(2026, 1, 5, 14, 30, 1, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.current

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.current += timedelta(seconds=seconds)

    @property
    def clock(self) -> Clock:
        return Clock(now=self.now, sleep=self.sleep)

    def deadline(self, remaining_ms: int = 30_000) -> Deadline:
        """Of an invocation that begins now."""
        return Deadline(self.clock, remaining_ms)


class FakeAws:
    """`hook("before" or "after", operation, parameters)` runs around the moment a call takes effect; it may raise."""

    def __init__(self, hook: Hook = no_hook) -> None:
        self.hook = hook
        self.time = FakeTime()
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.published: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.publish_timeouts: list[float] = []
        self._lock = threading.Lock()

    def put_object(self, **parameters: Any) -> dict[str, str]:
        self.hook("before", "PutObject", parameters)
        key, body = parameters["Key"], parameters["Body"]
        with self._lock:
            self.calls.append(f"PutObject {key}")
            existing = self.objects.get(key)
            if parameters.get("IfNoneMatch") == "*" and existing is not None:
                raise client_error("PutObject", "PreconditionFailed", 412)
            if "IfMatch" in parameters and existing is None:
                raise client_error("PutObject", "NoSuchKey", 404)
            if "IfMatch" in parameters and existing is not None and _etag(existing[0]) != parameters["IfMatch"]:
                raise client_error("PutObject", "PreconditionFailed", 412)
            self.objects[key] = (body, dict(parameters.get("Metadata", {})))
        self.hook("after", "PutObject", parameters)
        return {"ETag": _etag(body)}

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        self.hook("before", "GetObject", parameters)
        with self._lock:
            self.calls.append(f"GetObject {parameters['Key']}")
            if parameters["Key"] not in self.objects:
                raise client_error("GetObject", "NoSuchKey", 404)
            body = self.objects[parameters["Key"]][0]
        self.hook("after", "GetObject", parameters)
        return {"Body": io.BytesIO(body), "ETag": _etag(body)}

    def sns(self, seconds: float) -> Any:
        """A client that waits for SNS for so many seconds."""
        self.publish_timeouts.append(seconds)
        return self

    def close(self) -> None:
        """As a client has it."""

    def publish(self, **parameters: Any) -> dict[str, str]:
        self.hook("before", "Publish", parameters)
        with self._lock:
            self.calls.append("Publish")
            self.published.append(parameters)
            message_id = f"sns-{len(self.published)}"
        self.hook("after", "Publish", parameters)
        return {"MessageId": message_id}

    def keys(self, prefix: str) -> list[str]:
        """Keys under a prefix, sorted."""
        return sorted(key for key in self.objects if key.startswith(prefix))


def bucket(aws: Any) -> Bucket:
    """The bucket of the fake AWS, or of what stands before it."""
    return Bucket(aws, "b")


def stock_processor(aws: FakeAws, pool: ThreadPoolExecutor, told: Settings | None = None) -> Processor[Tick, Settings]:
    """The stock function's processor, as one warm Lambda environment has it."""
    told = told or Settings()
    return Processor(
        CONTRACT,
        rules=RULES,
        settings=told,
        alerter=Alerter(CONTRACT, told, bucket(aws), aws.sns, aws.time.clock, topic_arn="arn:topic"),
        store=Store(CONTRACT, bucket(aws), aws.time.clock, told.object_layout),
        pool=pool,
    )


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
