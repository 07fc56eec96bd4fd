"""When alarms go off. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html"""

import pytest

from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.model import Attributes
from tests.support.environments import STOCKS, stock_names, stock_settings

NAMES, ZIP = stock_names("123456789012"), FunctionZip(b"zip", "sha")


def alarm(name: str, **settings: int) -> Attributes:
    declared = declare(STOCKS, NAMES, stock_settings(**settings), ZIP)
    return next(one.declared() for one in declared if one.id == f"alarm {name}")


@pytest.mark.parametrize(("visibility", "expected"), [(60, 300), (75, 300), (360, 1440), (43_200, 172_800)])
def test_an_ordinary_retry_is_no_old_message(visibility: int, expected: int) -> None:
    found = alarm("StockQueue-oldest-message", visibility_timeout_seconds=visibility)

    # SQS counts the age of a message until it has been received three times: up to three visibility timeouts
    assert found["Threshold"] == expected > 3 * visibility
    assert found["TreatMissingData"] == "notBreaching"  # an empty queue has no oldest message


def test_the_alarm_beside_dead_letters_stays_although_sqs_stops_reporting_and_somebody_looks_at_them() -> None:
    found = alarm("StockQueue-dlq-not-empty")

    assert (found["MetricName"], found["Statistic"]) == ("ApproximateNumberOfMessagesVisible", "Maximum")
    assert (found["Threshold"], found["ComparisonOperator"]) == (1.0, "GreaterThanOrEqualToThreshold")
    assert found["TreatMissingData"] == "ignore"  # no data: the alarm keeps its state
    assert (found["Period"], found["EvaluationPeriods"], found["DatapointsToAlarm"]) == (60, 5, 1)


def test_all_alarms_tell_the_alert_topic() -> None:
    declared = declare(STOCKS, NAMES, stock_settings(), ZIP)

    assert {tuple(one.declared()["AlarmActions"]) for one in declared if one.kind == "alarm"} == {(NAMES.topic_arn,)}
