"""What a pipeline's function logs and measures, for its writer and for all readers."""

from dataclasses import dataclass

from runtime.contract import Contract, R

BATCH_PROCESSED = "batch processed"


@dataclass(frozen=True)
class LogEvents:
    """The `message` of the log lines about single records: an invalid one, and one that another delivery may store."""

    rejected: str
    failed: str


@dataclass(frozen=True)
class MetricNames:
    """Names of the CloudWatch metrics that each invocation writes."""

    stored: str
    rejected: str
    duplicate: str
    alerts_published: str = "AlertsPublished"
    alerts_suppressed: str = "AlertsSuppressed"
    latency: str = "LatencyMs"


def log_events(contract: Contract[R]) -> LogEvents:
    """For example `tick rejected`."""
    return LogEvents(f"{contract.noun} rejected", f"{contract.noun} failed")


def metric_names(contract: Contract[R]) -> MetricNames:
    """For example `TicksStored`."""
    plural = contract.plural.capitalize()
    return MetricNames(f"{plural}Stored", f"{plural}Rejected", f"{plural}Duplicate")
