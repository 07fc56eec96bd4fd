"""What one run of the producer has come to so far, read through AWS APIs only: depth, stored records, alerts."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from operations.alerts import Alert, peek_inbox
from operations.queues import depth
from profiles.environment import Environment, queue_url
from runtime.contract import Stored, moment

LAST_RECORDS = 8
_LATENCY_WINDOW = 200  # records that the latency percentiles are taken over
_READ_PER_SAMPLE = 20  # of the records that are new in a sample, how many are fetched


@dataclass(frozen=True)
class Figures:
    """A sample. Latencies are milliseconds from SQS to the stored record, None at first; `records` newest first."""

    queued: int = 0
    in_flight: int = 0
    dead_letters: int = 0
    stored: int = 0
    latency_p50: float | None = None
    latency_p95: float | None = None
    records: tuple[Stored[Any], ...] = ()
    alerts: tuple[Alert, ...] = ()


class FlowWatch:
    """Watches the records of the run `run`, whose first record is of `start_ms`, for `groups`.

    `sample` asks AWS and returns the figures; listings start where the run starts: old records cost nothing.
    """

    def __init__(self, environment: Environment, run: str, start_ms: int, groups: tuple[str, ...]) -> None:
        self._environment = environment
        self._run = run
        self._start_ms = start_ms
        self._groups = groups
        self._queue = queue_url(environment, environment.names.queue)
        self._dead_letters = queue_url(environment, environment.names.dead_letter_queue)
        self._seen: set[str] = set()
        self._latencies: deque[int] = deque(maxlen=_LATENCY_WINDOW)
        self._records: deque[Stored[Any]] = deque(maxlen=LAST_RECORDS)
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="flow")

    def sample(self) -> Figures:
        """The figures now, in a handful of concurrent calls."""
        queue, dead = (
            self._pool.submit(depth, self._environment.aws, self._queue),
            self._pool.submit(depth, self._environment.aws, self._dead_letters),
        )
        inbox = self._pool.submit(peek_inbox, self._environment)
        new = sorted(key for keys in self._pool.map(self._new_keys, self._groups) for key in keys)
        self._seen.update(new)
        newest = sorted(new, key=lambda key: self._identity(key)[1:])[-_READ_PER_SAMPLE:]
        for stored in sorted(self._pool.map(self._read, newest), key=lambda stored: moment(stored.record)):
            self._records.appendleft(stored)
            self._latencies.append(stored.latency_ms)
        percentiles = quantiles(self._latencies, n=20) if len(self._latencies) > 1 else None
        return Figures(
            queued=queue.result().waiting,
            in_flight=queue.result().in_flight,
            dead_letters=dead.result().total,
            stored=len(self._seen),
            latency_p50=percentiles[9] if percentiles else None,
            latency_p95=percentiles[18] if percentiles else None,
            records=tuple(self._records),
            alerts=tuple(alert for alert in inbox.result() if alert.record_id.startswith(self._run)),
        )

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _new_keys(self, group: str) -> list[str]:
        prefix = self._environment.contract.folder(group)
        pages = self._environment.aws.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._environment.names.bucket, Prefix=prefix, StartAfter=f"{prefix}{self._start_ms - 1}"
        )
        keys = (found["Key"] for page in pages for found in page.get("Contents", []))
        return [key for key in keys if key not in self._seen and self._identity(key)[2].startswith(self._run)]

    def _identity(self, key: str) -> tuple[str, int, str]:
        return self._environment.contract.identity_of_key(key) or ("", 0, "")

    def _read(self, key: str) -> Stored[Any]:
        body = self._environment.aws.s3.get_object(Bucket=self._environment.names.bucket, Key=key)["Body"].read()
        return self._environment.contract.parse_stored(body)


class Sampler:
    """Samples in a thread of its own until stopped, so that a slow answer never freezes what a person looks at."""

    def __init__(self, watch: FlowWatch, every_seconds: float = 0.4) -> None:
        self._watch = watch
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self.figures = Figures()
        self.error: Exception | None = None

    def __enter__(self) -> "Sampler":
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, after one last sample."""
        self._stop.set()
        self._thread.join()
        self._watch.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self.figures = self._watch.sample()
                self._stop.wait(self._every)
            self.figures = self._watch.sample()
        except Exception as error:
            self.error = error
