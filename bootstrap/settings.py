"""What can be set about an environment. One frozen value, from which everything else is declared."""

from dataclasses import dataclass
from typing import Literal

from profiles.names import Names

ObjectLayout = Literal["tick", "batch"]

# "at least six times the function timeout, plus the value of MaximumBatchingWindowInSeconds":
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_PER_FUNCTION_TIMEOUT = 6


@dataclass(frozen=True)
class Settings:
    """The declaration of one environment.

    Whatever isn't given has its default, also on a later run: `up` declares a state, it doesn't amend one. Prices are
    in dollars, times in seconds unless the name says otherwise.
    """

    names: Names
    alert_threshold: float = 1200.0
    alert_cooldown_seconds: int = 60
    alert_email: str | None = None
    object_layout: ObjectLayout = "tick"
    batch_size: int = 10
    batch_window_seconds: int = 0
    function_timeout_seconds: int = 10
    memory_mb: int = 256
    visibility_timeout_seconds: int | None = None
    max_receive_count: int = 5
    maximum_concurrency: int | None = None
    log_retention_days: int = 14
    log_level: str = "INFO"
    bytes_scanned_limit: int = 100 * 10**9  # an Athena query that would cost more than $0.50 is cancelled

    @property
    def effective_visibility_timeout_seconds(self) -> int:
        """The given visibility timeout, or what AWS recommends: six times the function's timeout plus the window."""
        if self.visibility_timeout_seconds is not None:
            return self.visibility_timeout_seconds
        return VISIBILITY_PER_FUNCTION_TIMEOUT * self.function_timeout_seconds + self.batch_window_seconds

    @property
    def tags(self) -> dict[str, str]:
        """The tag that marks a resource as belonging to this environment; `down` removes nothing without it."""
        return {ENVIRONMENT_TAG: self.names.environment}


ENVIRONMENT_TAG = "stockpipe:environment"
