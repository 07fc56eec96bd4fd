"""Reading what SNS put into the inbox, and what Lambda wrote into the log."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from operations.alerts import read_alert
from operations.function_log import read_invocations
from pipeline.contract import CONTRACT
from profiles.session import Aws
from tests.support.environments import at, stock_names

ALERT = {"symbol": "TSLA", "price": 1201.33, "tick_id": "t-1"}


def message(body: str) -> Any:
    return {"MessageId": "sqs-1", "Body": body, "Attributes": {"SentTimestamp": "1767571200000"}}


def test_an_alert_is_taken_out_of_the_envelope_of_sns() -> None:
    envelope = {
        "Type": "Notification",
        "MessageId": "sns-1",
        "TopicArn": "arn:aws:sns:us-east-2:000000000000:StockAlerts",
        "Subject": "Stock alert: TSLA 1201.33 >= 1200.00",
        "Message": json.dumps(ALERT),
    }

    alert = read_alert(CONTRACT, message(json.dumps(envelope)))

    assert (alert.message_id, alert.subject) == ("sns-1", "Stock alert: TSLA 1201.33 >= 1200.00")
    assert (alert.fields["symbol"], alert.record_id, alert.sent_ms) == ("TSLA", "t-1", 1767571200000)


@pytest.mark.parametrize("body", [json.dumps(ALERT), "just a text", "[1, 2]"])
def test_a_message_without_an_envelope_is_shown_as_it_is(body: str) -> None:
    alert = read_alert(CONTRACT, message(body))

    assert (alert.message_id, alert.subject, alert.body) == ("sqs-1", "(no subject)", body)


class Logs:
    """CloudWatch Logs with these events on one page; ignores filter patterns, as LocalStack does."""

    def __init__(self, *lines: str) -> None:
        self.events = [{"message": line, "timestamp": number} for number, line in enumerate(lines)]

    def get_paginator(self, _: str) -> "Logs":
        return self

    def paginate(self, **_: Any) -> Any:
        return iter([{"events": self.events}])


def test_invocations_are_read_from_the_report_lines_of_aws_and_of_the_engines() -> None:
    logs = Logs(
        "START RequestId: a Version: $LATEST",
        "REPORT RequestId: a\tDuration: 12.50 ms\tBilled Duration: 13 ms\tMemory Size: 256 MB\tMax Memory Used: 90 MB\t"
        "Init Duration: 301.22 ms\t\n",
        '{"message": "not a REPORT RequestId: x Duration: 1 ms"}',
        "REPORT RequestId: b\tDuration: 166 ms\tBilled Duration: 166 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB",
        "REPORT RequestId: c\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 256 MB\t"
        "Max Memory Used: 90 MB\tStatus: timeout",
    )

    environment = at(cast("Aws", SimpleNamespace(logs=logs)), stock_names("000000000000"))
    found = read_invocations(environment, since_ms=0)

    assert [(one.request_id, one.at_ms, one.duration_ms) for one in found] == [
        ("a", 1, 12.5),
        ("b", 3, 166.0),
        ("c", 4, 3000.0),
    ]
    assert [one.cold for one in found] == [True, False, False]
    assert [one.failed for one in found] == [False, False, True]
