"""The function's environment variables: each setting is written and read once, with its range."""

from dataclasses import dataclass

import pytest

from pipeline.rules import Settings
from runtime.settings import ConfigurationError, FunctionEnvironment, FunctionSettings, setting, settings_of

COMPLETE = {
    "BUCKET": "b",
    "SNS_TOPIC_ARN": "arn:t",
    "ALERT_THRESHOLD": "900.5",
    "ALERT_VOLUME": "20000",
    "ALERT_COOLDOWN_SECONDS": "0",
    "OBJECT_LAYOUT": "batch",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
}


def test_all_variables_are_read() -> None:
    told = Settings(
        alert_threshold=900.5,
        alert_volume=20_000,
        alert_cooldown_seconds=0,
        object_layout="batch",
        log_level="DEBUG",
    )

    assert FunctionEnvironment.read(COMPLETE, Settings) == FunctionEnvironment("b", "arn:t", told)


def test_the_defaults_are_those_of_the_design() -> None:
    told = Settings(alert_threshold=1200.0, alert_volume=None, alert_cooldown_seconds=60, object_layout="record")

    assert FunctionEnvironment.read({"BUCKET": "b", "SNS_TOPIC_ARN": "t"}, Settings) == FunctionEnvironment(
        "b", "t", told
    )


def test_the_defaults_are_written_as_variables_and_what_is_not_set_is_not() -> None:
    assert FunctionEnvironment("b", "t", Settings()).written() == {
        "BUCKET": "b",
        "SNS_TOPIC_ARN": "t",
        "ALERT_THRESHOLD": "1200",
        "ALERT_COOLDOWN_SECONDS": "60",
        "OBJECT_LAYOUT": "record",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


@pytest.mark.parametrize(
    "told",
    [
        Settings(),
        Settings(alert_threshold=900.5, alert_volume=1, alert_cooldown_seconds=0),
        Settings(alert_threshold=1e-5, alert_volume=2**31 - 1, object_layout="batch", log_level="CRITICAL"),
        Settings(alert_threshold=1e28),
    ],
    ids=repr,
)
def test_what_is_written_is_read_as_the_same(told: Settings) -> None:
    environment = FunctionEnvironment("b", "t", told)

    assert FunctionEnvironment.read(environment.written(), Settings) == environment


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("BUCKET", "", "is missing"),
        ("BUCKET", " ", "is missing"),
        ("SNS_TOPIC_ARN", "", "is missing"),
        *(
            ("ALERT_THRESHOLD", value, "is not a price above 0 and at most 1e28")
            for value in ("", "much", "nan", "inf", "-inf", "0", "-1", "1e29")
        ),
        *(
            ("ALERT_VOLUME", value, "is not a whole number of shares from 1 to 2147483647")
            for value in ("", "0", "-1", "1.5", "1e3", "2147483648", "9" * 400, "٣", "None")
        ),
        *(
            ("ALERT_COOLDOWN_SECONDS", value, "is not a whole number of seconds, 0 or more")
            for value in ("-1", "1.5", "", " 1", "+1", "1_000")
        ),
        ("OBJECT_LAYOUT", "tick", "is not one of record, batch"),
        ("OBJECT_LAYOUT", "", "is not one of record, batch"),
        ("POWERTOOLS_LOG_LEVEL", "LOUD", "is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        FunctionEnvironment.read({**COMPLETE, name: value}, Settings)

    assert str(raised.value).startswith(f"environment variable {name}")
    assert str(raised.value).endswith(reason)


@pytest.mark.parametrize("name", ["BUCKET", "SNS_TOPIC_ARN"])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is missing"):
        FunctionEnvironment.read({key: value for key, value in COMPLETE.items() if key != name}, Settings)


@dataclass(frozen=True)
class SensorSettings(FunctionSettings):
    """Those of another pipeline."""

    highest: int = setting(80, "--highest", "Alert above this.", least=-10, most=200, variable="HIGHEST")
    unit: str = setting("C", "--unit", "Of temperatures.", choices=("C", "F"), variable="UNIT")


def test_a_pipeline_adds_settings_to_those_that_every_function_has() -> None:
    variables = {"BUCKET": "b", "SNS_TOPIC_ARN": "t", "HIGHEST": "90", "UNIT": "F"}

    told = FunctionEnvironment.read(variables, SensorSettings)

    assert told.settings == SensorSettings(highest=90, unit="F")
    assert told.written().items() > variables.items()
    assert list(settings_of(SensorSettings)) == [*settings_of(FunctionSettings), "highest", "unit"]


@pytest.mark.parametrize(
    ("name", "allowed", "refused", "words"),
    [
        (
            "alert_threshold",
            [0.01, 1, 1e28, None],
            [0, -1, 1e29, float("nan"), float("inf")],
            "a price above 0 and at most 1e28",
        ),
        ("alert_volume", [1, 2**31 - 1, None], [0, 2**31, 10**400], "a whole number of shares from 1 to 2147483647"),
        ("alert_cooldown_seconds", [0, 10**400], [-1], "a whole number of seconds, 0 or more"),
        ("object_layout", ["record", "batch"], ["tick", ""], "one of record, batch"),
    ],
)
def test_a_setting_knows_its_range(name: str, allowed: list[object], refused: list[object], words: str) -> None:
    about = settings_of(Settings)[name]

    assert [value for value in allowed if not about.allows(value)] == []
    assert [value for value in refused if about.allows(value)] == []
    assert about.range_in_words == words


@pytest.mark.parametrize(
    ("about", "words"),
    [({"least": 1, "most": 900}, "1 to 900"), ({"least": 0}, "0 or more"), ({"above": 0}, "above 0")],
)
def test_a_range_is_said_in_words(about: dict[str, int], words: str) -> None:
    @dataclass(frozen=True)
    class Some:
        value: int = setting(1, "--value", "", **about)

    assert settings_of(Some)["value"].range_in_words == words
