"""The function's environment variables: defaults, and errors that name the variable."""

import pytest
from pipeline.environment import ConfigurationError, Environment

COMPLETE = {
    "BUCKET": "b",
    "SNS_TOPIC_ARN": "arn:t",
    "ALERT_THRESHOLD": "900.5",
    "ALERT_COOLDOWN_SECONDS": "0",
    "OBJECT_LAYOUT": "batch",
}


def test_all_variables_are_read() -> None:
    assert Environment.read(COMPLETE) == Environment("b", "arn:t", 900.5, 0, "batch")


def test_the_defaults_are_those_of_the_design() -> None:
    assert Environment.read({"BUCKET": "b", "SNS_TOPIC_ARN": "t"}) == Environment("b", "t", 1200.0, 60, "tick")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUCKET", ""),
        ("BUCKET", " "),
        ("SNS_TOPIC_ARN", ""),
        ("ALERT_THRESHOLD", ""),
        ("ALERT_THRESHOLD", "much"),
        ("ALERT_THRESHOLD", "nan"),
        ("ALERT_THRESHOLD", "inf"),
        ("ALERT_THRESHOLD", "0"),
        ("ALERT_COOLDOWN_SECONDS", "-1"),
        ("ALERT_COOLDOWN_SECONDS", "1.5"),
        ("ALERT_COOLDOWN_SECONDS", ""),
        ("OBJECT_LAYOUT", "parquet"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"environment variable {name}"):
        Environment.read({**COMPLETE, name: value})


@pytest.mark.parametrize("name", ["BUCKET", "SNS_TOPIC_ARN"])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is missing"):
        Environment.read({key: value for key, value in COMPLETE.items() if key != name})
