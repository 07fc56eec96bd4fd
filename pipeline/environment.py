"""What the function is told through its environment variables."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Layout = Literal["tick", "batch"]


class ConfigurationError(ValueError):
    """An environment variable is missing or wrong. The text names it; Lambda shows it as the function's init error."""


@dataclass(frozen=True, slots=True)
class Environment:
    """`alert_threshold` in dollars; `alert_cooldown_seconds` in whole seconds of event time, 0 = alert every tick.

    `object_layout`: `tick` = an object per tick, `batch` = a newline-delimited object per symbol and batch.
    """

    bucket: str
    topic_arn: str
    alert_threshold: float
    alert_cooldown_seconds: int
    object_layout: Layout

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Environment":
        """Read and check them all. Raises `ConfigurationError`."""
        return cls(
            bucket=_required(variables, "BUCKET"),
            topic_arn=_required(variables, "SNS_TOPIC_ARN"),
            alert_threshold=_threshold(variables.get("ALERT_THRESHOLD", "1200")),
            alert_cooldown_seconds=_cooldown(variables.get("ALERT_COOLDOWN_SECONDS", "60")),
            object_layout=_layout(variables.get("OBJECT_LAYOUT", "tick")),
        )


def _required(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "").strip()
    if not value:
        raise ConfigurationError(f"environment variable {name} is missing")
    return value


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        raise ConfigurationError(f"environment variable ALERT_THRESHOLD={text!r} is not a price above 0")
    return value


def _cooldown(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(
            f"environment variable ALERT_COOLDOWN_SECONDS={text!r} is not a whole number of seconds"
        )
    return int(text)


def _layout(text: str) -> Layout:
    if text == "tick":
        return "tick"
    if text == "batch":
        return "batch"
    raise ConfigurationError(f"environment variable OBJECT_LAYOUT={text!r} is neither 'tick' nor 'batch'")
