"""When readings are alerted, and the settings of that."""

from dataclasses import dataclass

from runtime.alerts import Rule
from runtime.settings import FunctionSettings, setting

from .contract import Reading


@dataclass(frozen=True)
class Settings(FunctionSettings):
    """What can be set about the alerts: a temperature in °C, a humidity in %."""

    alert_temperature: float = setting(
        30.0,
        "--alert-temperature",
        "Alert at this temperature in °C, or above.",
        expected="a temperature in °C from -273.15 to 1000",
        least=-273.15,
        most=1000,
        aws_says="nothing, and then alert on every reading or on none",
        variable="ALERT_TEMPERATURE",
    )
    alert_humidity: int | None = setting(
        None,
        "--alert-humidity",
        "Alert also at this humidity in %, or above. Default: no such alert.",
        least=1,
        most=100,
        aws_says="nothing, and then never alert",
        variable="ALERT_HUMIDITY",
    )


HOT = Rule[Reading, Settings](
    "hot",
    applies=lambda reading, settings: reading.temperature >= settings.alert_temperature,
    subject=lambda reading, settings: (
        f"Too hot: {reading.group} {reading.temperature:.1f} C >= {settings.alert_temperature:.1f} C"
    ),
    details=lambda _, settings: {"threshold": settings.alert_temperature},
    limit=lambda settings: settings.alert_temperature,
)
DAMP = Rule[Reading, Settings](
    "damp",
    applies=lambda reading, settings: (
        settings.alert_humidity is not None and (reading.humidity or 0) >= settings.alert_humidity
    ),
    subject=lambda reading, settings: f"Too damp: {reading.group} {reading.humidity} % >= {settings.alert_humidity} %",
    details=lambda _, settings: {"threshold": settings.alert_humidity},
)
RULES = (HOT, DAMP)
