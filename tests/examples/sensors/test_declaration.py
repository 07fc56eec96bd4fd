"""Which resources the sensors have; no endpoint is asked."""

import json
import os
import subprocess
import sys
from typing import Any

from bootstrap import Settings
from bootstrap.deployment import plan_from_scratch
from profiles.names import Names
from tests.examples.sensors.conftest import ROOT, SENSORS

RESOURCES = """
    queue SensorQueue-dlq, queue SensorQueue, redrive allow policy SensorQueue-dlq,
    topic SensorAlerts,
    queue SensorAlertsInbox, subscription SensorAlerts → sqs:SensorAlertsInbox,
    queue SensorAlertsArchive, subscription SensorAlerts → sqs:SensorAlertsArchive,
    bucket sensor-data-000000000000-us-east-2,
    workgroup sensors, database sensor_data, table sensor_data.readings,
    role SensorPipelineLambdaRole, log group /aws/lambda/SensorProcessor, function SensorProcessor,
    alarm SensorQueue-dlq-not-empty, alarm SensorAlertsArchive-unread,
    event source mapping SensorQueue → SensorProcessor
"""


def stockpipe(*arguments: str) -> str:
    """In a process of its own, which knows the options of the sensors' settings from its start."""
    ran = subprocess.run(
        [sys.executable, "-m", "stockpipe", *arguments],
        cwd=ROOT,
        env={**os.environ, "STOCKPIPE_PIPELINE": "examples/sensors"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def planned(prefix: str = "") -> set[str]:
    names = Names(SENSORS.names, "000000000000", prefix)
    return {action.resource for action in plan_from_scratch(SENSORS, names, Settings(SENSORS.settings())).actions}


def test_every_name_is_its_own() -> None:
    assert planned() == {name.strip() for name in RESOURCES.split(",")}


def test_with_a_prefix_no_name_is_the_same() -> None:
    assert len(planned("alice")) == len(planned())
    assert not planned("alice") & planned()


def test_the_archive_gets_bare_messages_from_the_topic_only() -> None:
    template = json.loads(stockpipe("export", "cloudformation"))["Resources"]

    archive = template["QueueSensorAlertsArchive"]["Properties"]
    [subscription] = [
        one["Properties"]
        for one in template.values()
        if one["Type"] == "AWS::SNS::Subscription" and "SensorAlertsArchive" in json.dumps(one)
    ]
    assert archive["MessageRetentionPeriod"] == 14 * 86_400
    assert str(subscription["RawMessageDelivery"]).lower() == "true"
    policies = [one["Properties"] for one in template.values() if one["Type"] == "AWS::SQS::QueuePolicy"]
    [statement] = [
        found
        for one in policies
        for found in one["PolicyDocument"]["Statement"]
        if "SensorAlertsArchive" in json.dumps(found["Resource"])
    ]
    assert "SensorAlerts" in json.dumps(statement["Condition"])


def test_its_settings_are_options_of_the_commands() -> None:
    transcript = stockpipe(
        "plan", "--from-scratch", "--dry-run", "--alert-temperature", "27.5", "--alert-humidity", "80"
    )

    [variables] = [call for call in map(_parameters, transcript.splitlines()) if call]
    assert variables["ALERT_TEMPERATURE"] == "27.5"
    assert variables["ALERT_HUMIDITY"] == "80"
    assert "ALERT_THRESHOLD" not in variables


def _parameters(line: str) -> dict[str, Any]:
    """The function's variables, of the line that creates it."""
    if "CreateFunction " not in line:
        return {}
    found: dict[str, Any] = json.loads(line[line.index("{") :])["Environment"]["Variables"]
    return found


def test_whoever_runs_bootstrap_may_make_each_of_its_queues_and_alarms() -> None:
    policy = json.dumps(json.loads(stockpipe("export", "admin-policy", "--account", "000000000000")))

    for name in ("SensorQueue", "SensorQueue-dlq", "SensorAlertsInbox", "SensorAlertsArchive"):
        assert f'"arn:aws:sqs:us-east-2:000000000000:{name}"' in policy
    assert "alarm:SensorAlertsArchive-" in policy
    assert "Stock" not in policy
