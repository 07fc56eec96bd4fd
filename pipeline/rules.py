"""When ticks are alerted, and the settings of that. A rule here is all that an alert needs."""

from dataclasses import dataclass

from runtime.alerts import LARGEST_FILTERABLE, Rule
from runtime.fields import LARGEST_INT
from runtime.settings import FunctionSettings, setting

from .contract import Tick

_SNS_PUBLISH = "https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"


@dataclass(frozen=True)
class Settings(FunctionSettings):
    """What can be set about the alerts: the price in dollars, the volume in shares."""

    alert_threshold: float = setting(
        1200.0,
        "--alert-threshold",
        "Alert at this price in dollars, or above.",
        expected="a price above 0 and at most 1e28",
        above=0,
        most=1e28,  # the subject of an alert has at most 100 characters
        aws_says="nothing, and then alert on every tick or on none; or InvalidParameter: Invalid parameter: Subject",
        page=_SNS_PUBLISH,
        variable="ALERT_THRESHOLD",
    )
    alert_volume: int | None = setting(
        None,
        "--alert-volume",
        "Alert also at this volume in shares, or above. Default: no such alert.",
        expected=f"a whole number of shares from 1 to {LARGEST_INT}",
        least=1,
        most=LARGEST_INT,
        aws_says="nothing, and then never alert",
        page=_SNS_PUBLISH,
        variable="ALERT_VOLUME",
    )


PRICE = Rule[Tick, Settings](
    "price",
    applies=lambda tick, settings: tick.price >= settings.alert_threshold,
    subject=lambda tick, settings: (
        f"Stock alert: {tick.symbol} {_dollars(tick.price)} >= {_dollars(settings.alert_threshold)}"
    ),
    details=lambda _, settings: {"threshold": settings.alert_threshold},
    limit=lambda settings: settings.alert_threshold,
)
VOLUME = Rule[Tick, Settings](
    "volume",
    applies=lambda tick, settings: settings.alert_volume is not None and tick.volume >= settings.alert_volume,
    subject=lambda tick, settings: f"Volume alert: {tick.symbol} {tick.volume:,} >= {settings.alert_volume:,} shares",
    details=lambda _, settings: {"threshold": settings.alert_volume},
)
RULES = (PRICE, VOLUME)


def _dollars(amount: float) -> str:
    """Two decimal places, or all of them where two would say something else."""
    cents = f"{amount:.2f}"
    return cents if float(cents) == amount and amount < LARGEST_FILTERABLE else repr(amount)
