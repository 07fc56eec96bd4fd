"""When readings are alerted, and what the alert says."""

from dataclasses import replace
from typing import Any

import pytest

from examples.sensors.contract import CONTRACT, Reading
from examples.sensors.rules import DAMP, HOT, RULES, Settings
from runtime.alerts import marker_key_of, message_of
from runtime.settings import ConfigurationError, FunctionEnvironment

READING = Reading("r-1", "lyon", "roof", 21.5, "2026-07-01T12:00:00Z", 40)
VARIABLES = {"BUCKET": "b", "SNS_TOPIC_ARN": "t"}


def applying(one: Reading, **told: Any) -> list[str]:
    return [rule.name for rule in RULES if rule.applies(one, Settings(**told))]


@pytest.mark.parametrize(("temperature", "rules"), [(29.99, []), (30.0, ["hot"]), (80.0, ["hot"])])
def test_it_is_hot_at_the_setting_and_above(temperature: float, rules: list[str]) -> None:
    assert applying(replace(READING, temperature=temperature)) == rules


@pytest.mark.parametrize(("humidity", "rules"), [(None, []), (69, []), (70, ["damp"])])
def test_it_is_damp_at_the_setting_and_above_where_there_is_one(humidity: int | None, rules: list[str]) -> None:
    reading = replace(READING, humidity=humidity)

    assert applying(reading, alert_humidity=70) == rules
    assert applying(reading) == []


def test_the_subjects_say_where_and_how_much() -> None:
    settings = Settings(alert_temperature=-5.0, alert_humidity=40)

    assert HOT.subject(READING, settings) == "Too hot: lyon/roof 21.5 C >= -5.0 C"
    assert DAMP.subject(READING, settings) == "Too damp: lyon/roof 40 % >= 40 %"
    longest = replace(READING, site="s" * 20, sensor="t" * 20, temperature=-273.0)
    assert all(len(rule.subject(longest, settings)) <= 100 for rule in RULES)


def test_an_alerts_message_leads_to_its_marker() -> None:
    window = "1782907200000"

    assert marker_key_of(CONTRACT, message_of(HOT, READING, Settings(), window)) == CONTRACT.alert_key(
        "hot", READING, 60
    )


def test_the_function_reads_the_settings_that_bootstrap_writes() -> None:
    settings = Settings(alert_temperature=-5.5, alert_humidity=70)

    assert settings.written()["ALERT_TEMPERATURE"] == "-5.5"
    assert FunctionEnvironment.read({**VARIABLES, **settings.written()}, Settings).settings == settings
    with pytest.raises(ConfigurationError, match="ALERT_TEMPERATURE='2000' is not a temperature in °C"):
        FunctionEnvironment.read({**VARIABLES, "ALERT_TEMPERATURE": "2000"}, Settings)
