"""What looking costs: every API call of the console is counted, so the page can show calls and dollars per hour."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from profiles.session import Aws

# Dollars per call in us-east-2, as of November 2026. What isn't listed is free of charge (Lambda's and CloudWatch Logs'
# read calls, STS, IAM).
# https://aws.amazon.com/sqs/pricing/, https://aws.amazon.com/s3/pricing/, https://aws.amazon.com/cloudwatch/pricing/
_DOLLARS: Final = {
    ("s3", "ListObjectsV2"): 5.00 / 1e6,
    ("s3", "PutObject"): 5.00 / 1e6,
    ("cloudwatch", "GetMetricData"): 0.01 / 1e3,
}
_DOLLARS_BY_SERVICE: Final = {"sqs": 0.40 / 1e6, "s3": 0.40 / 1e6}
WINDOW_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Spending:
    """Calls since the start, and the pace of the last minutes scaled to an hour."""

    total: int
    calls_per_hour: float
    dollars_per_hour: float
    by_operation: tuple[tuple[str, int], ...]


class CallCounter:
    """Counts the requests of clients, retries included: AWS bills them too. Used from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque()
        self._by_operation: Counter[str] = Counter()

    def watch(self, aws: Aws, *services: str) -> None:
        """Count what the clients of these services send from now on."""

        def note(event_name: str, **_: Any) -> None:
            _prefix, service, operation = event_name.split(".")
            self.count(service, operation)

        for service in services:
            aws.client(service).meta.events.register_first(f"before-send.{service}", note)

    def count(self, service: str, operation: str) -> None:
        """One request."""
        now = self._clock()
        price = _DOLLARS.get((service, operation), _DOLLARS_BY_SERVICE.get(service, 0.0))
        with self._lock:
            self._recent.append((now, price))
            self._by_operation[f"{service}:{operation}"] += 1
            self._forget(now)

    def spending(self) -> Spending:
        """The figures of now. The pace needs a minute to mean something, so less than that counts as one."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            per_hour = 3600 / min(WINDOW_SECONDS, max(60.0, now - self._since))
            return Spending(
                total=self._by_operation.total(),
                calls_per_hour=len(self._recent) * per_hour,
                dollars_per_hour=sum(price for _, price in self._recent) * per_hour,
                by_operation=tuple(self._by_operation.most_common()),
            )

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
