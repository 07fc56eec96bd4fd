"""Settings, and what they become in the function's environment and the queue's attributes."""

from collections.abc import Mapping

import pytest

from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.resources.lambda_function import Function
from bootstrap.settings import Settings
from profiles.names import Names
from tests.support.environments import STOCKS, stock_names, stock_settings

NAMES = stock_names("123456789012")
ZIP = FunctionZip(b"zip", "sha")


def environment_variables(names: Names, settings: Settings) -> Mapping[str, str]:
    (function,) = (one for one in declare(STOCKS, names, settings, ZIP) if isinstance(one, Function))
    return function.environment


@pytest.mark.parametrize(
    ("timeout", "window", "given", "expected"), [(10, 0, None, 60), (30, 5, None, 185), (10, 0, 300, 300)]
)
def test_visibility_timeout_is_six_function_timeouts_plus_the_window_unless_given(
    timeout: int, window: int, given: int | None, expected: int
) -> None:
    settings = stock_settings(
        function_timeout_seconds=timeout,
        batch_window_seconds=window,
        visibility_timeout_seconds=given,
    )

    assert settings.effective_visibility_timeout_seconds == expected


@pytest.mark.parametrize(("threshold", "text"), [(1200.0, "1200"), (900, "900"), (1234567.0, "1234567"), (0.1, "0.1")])
def test_threshold_is_written_as_a_person_would(threshold: float, text: str) -> None:
    assert environment_variables(NAMES, stock_settings(alert_threshold=threshold))["ALERT_THRESHOLD"] == text


def test_the_function_is_told_its_environment() -> None:
    variables = environment_variables(
        stock_names("123456789012", "alice"), stock_settings(alert_cooldown_seconds=0, object_layout="batch")
    )

    assert variables["BUCKET"] == "alice-stock-data-123456789012-us-east-2"
    assert variables["SNS_TOPIC_ARN"] == "arn:aws:sns:us-east-2:123456789012:alice-StockAlerts"
    assert variables["ALERT_COOLDOWN_SECONDS"] == "0"
    assert variables["OBJECT_LAYOUT"] == "batch"
    assert not [name for name in variables if name.startswith("AWS_")]


def test_an_email_subscription_is_declared_only_with_an_address() -> None:
    without = {resource.id for resource in declare(STOCKS, NAMES, stock_settings(), ZIP)}
    with_one = {resource.id for resource in declare(STOCKS, NAMES, stock_settings(alert_email="a@example.com"), ZIP)}

    assert with_one - without == {"subscription StockAlerts → email:a@example.com"}
