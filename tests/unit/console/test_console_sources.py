"""What the console reads of the live function: the same variables, by the same rules, as the function itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from console.model import FunctionFacts
from console.sources import Sources
from profiles.session import Aws, open_endpoint
from tests.support.environments import at, stock_names

TOLD = {"BUCKET": "bucket", "SNS_TOPIC_ARN": "topic"}


@pytest.fixture
def aws() -> Aws:
    return open_endpoint("http://127.0.0.1:1")


@pytest.fixture
def stub(aws: Aws) -> Iterator[Stubber]:
    with Stubber(aws.lambda_) as stubber:
        yield stubber


def facts(aws: Aws, stub: Stubber, variables: dict[str, str]) -> FunctionFacts:
    answer: dict[str, Any] = {"Environment": {"Variables": variables}}
    stub.add_response("get_function_configuration", answer)
    stub.add_response("list_event_source_mappings", {"EventSourceMappings": [{"State": "Enabled"}]})
    return Sources(at(aws, stock_names("000000000000"))).function_facts()


def test_settings_are_the_live_functions(aws: Aws, stub: Stubber) -> None:
    told = {**TOLD, "ALERT_THRESHOLD": "900.5", "ALERT_COOLDOWN_SECONDS": "0"}
    assert facts(aws, stub, told) == FunctionFacts(900.5, "Enabled")


def test_what_the_function_is_not_told_is_its_default(aws: Aws, stub: Stubber) -> None:
    assert facts(aws, stub, TOLD) == FunctionFacts(1200, "Enabled")


def test_a_rule_on_another_field_than_the_charted_one_has_no_threshold(aws: Aws, stub: Stubber) -> None:
    assert facts(aws, stub, {**TOLD, "ALERT_VOLUME": "7"}).threshold == 1200


def test_a_function_that_is_told_something_wrong_says_so(aws: Aws, stub: Stubber) -> None:
    shown = facts(aws, stub, {**TOLD, "ALERT_THRESHOLD": "high"})
    assert shown.threshold is None
    assert shown.trouble == "environment variable ALERT_THRESHOLD='high' is not a price above 0 and at most 1e28"
    assert shown.mapping == "Enabled"
