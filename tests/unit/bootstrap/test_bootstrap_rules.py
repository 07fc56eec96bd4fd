"""The AWS-truth check: each rule is broken once, and names rule, value, AWS's answer and the page."""

import math
from dataclasses import replace
from typing import Any

import pytest

from bootstrap import Settings, plan
from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.model import Violation
from bootstrap.resources.lambda_function import Function
from bootstrap.rules import InvalidDeclarationError, violations
from profiles.names import Names
from profiles.session import open_endpoint
from tests.support.aws_calls import record
from tests.support.environments import STOCKS, at, stock_names, stock_settings

NAMES, ZIP = stock_names("123456789012"), FunctionZip(b"zip", "sha")


def broken(settings: Settings, names: Names = NAMES) -> tuple[Violation, ...]:
    return violations(settings, declare(STOCKS, names, settings, ZIP))


@pytest.mark.parametrize(
    "settings",
    [
        stock_settings(),
        stock_settings(batch_size=10_000, batch_window_seconds=300, maximum_concurrency=2),
        stock_settings(function_timeout_seconds=900, memory_mb=10_240, alert_email="a@example.com"),
        stock_settings(alert_cooldown_seconds=0, alert_threshold=0.01, log_retention_days=3653),
    ],
)
@pytest.mark.parametrize("prefix", ["", "abcdefghijklmno"])
def test_what_aws_accepts_breaks_no_rule(settings: Settings, prefix: str) -> None:
    assert broken(settings, stock_names("123456789012", prefix)) == ()


@pytest.mark.parametrize(
    ("changed", "rule", "aws_error"),
    [
        ({"visibility_timeout_seconds": 9}, "6 x function timeout", "9 seconds is less than Function timeout: 10"),
        ({"visibility_timeout_seconds": 59}, "6 x function timeout", "twice"),
        ({"batch_size": 11}, "needs a batch window above 0", "Maximum batch window in seconds must be greater than 0"),
        ({"batch_size": 0}, "batch size is 1 to 10000", "Value '0' failed"),
        ({"batch_size": 10_001, "batch_window_seconds": 1}, "batch size is 1 to 10000", "Value '10001'"),
        ({"batch_window_seconds": 301}, "batch window is 0 to 300", "Value '301'"),
        ({"max_receive_count": 4}, "max receive count is 5 to 1000", "dead-letter good messages"),
        ({"max_receive_count": 1001}, "max receive count is 5 to 1000", "InvalidParameterValue above 1000"),
        ({"maximum_concurrency": 1}, "maximum concurrency is 2 to 1000", "Value '1'"),
        ({"maximum_concurrency": 1001}, "maximum concurrency is 2 to 1000", "Value '1001'"),
        ({"function_timeout_seconds": 901}, "function timeout is 1 to 900", "Value '901'"),
        ({"memory_mb": 127}, "memory is 128 to 10240", "Value '127'"),
        ({"visibility_timeout_seconds": 43_201}, "visibility timeout is 0 to 43200", "Value '43201'"),
        ({"log_retention_days": 15}, "log retention is one of", "InvalidParameterException"),
        ({"bytes_scanned_limit": 9_999_999}, "at least 10000000 (10 MB)", "bytesScannedCutoffPerQuery"),
        ({"log_level": "LOUD"}, "log level is one of", "logger"),
        ({"alert_threshold": math.nan}, "price above 0", "every tick or on none"),
        ({"alert_threshold": 0.0}, "price above 0", "every tick or on none"),
        ({"alert_threshold": 1e60}, "at most 1e28", "Invalid parameter: Subject"),
        ({"alert_cooldown_seconds": -1}, "alert cooldown is a whole number of seconds, 0 or more", "would not start"),
        ({"alert_email": "nobody"}, "an alert email is an address", "Email address"),
    ],
)
def test_what_aws_refuses_breaks_its_rule(changed: dict[str, Any], rule: str, aws_error: str) -> None:
    found = broken(stock_settings(**changed))

    (violation,) = [one for one in found if rule in one.rule]
    assert aws_error in violation.aws_error
    assert violation.value
    assert violation.page.startswith("https://docs.aws.amazon.com/")


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        ({"AWS_REGION": "us-east-2"}, "reserved name"),
        ({"AWS_ENDPOINT_URL": "http://localhost:4566"}, "never shipped"),
        ({"AWS_ENDPOINT_URL_S3": "http://localhost:4566"}, "never shipped"),
        ({"1ST": "x"}, "letters, digits, _"),
        ({"BIG": "x" * 4096}, "at most 4 KB"),
    ],
)
def test_environment_variables_that_aws_refuses_break_their_rule(variables: dict[str, str], rule: str) -> None:
    (function,) = (one for one in declare(STOCKS, NAMES, stock_settings(), ZIP) if isinstance(one, Function))

    (violation,) = replace(function, environment=variables).violations()

    assert rule in violation.rule


def test_the_check_comes_before_any_call_and_tells_all_at_once() -> None:
    aws = open_endpoint("http://127.0.0.1:9")
    recorder = record(aws)

    with pytest.raises(InvalidDeclarationError) as raised:
        plan(at(aws, NAMES), stock_settings(batch_size=11, memory_mb=1))

    assert len(raised.value.violations) == 2
    assert len(str(raised.value).splitlines()) == 2
    assert recorder.sent == []
