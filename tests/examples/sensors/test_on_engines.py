"""The sensors end to end on both engines, with the stock ticks side by side in the same account."""

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import bootstrap
from analytics.statements import named_queries
from bootstrap import Settings
from bootstrap.deployment import plan_from_scratch
from producer.manifest import all_paths
from profiles.environment import Environment, queue_url
from profiles.names import Names
from profiles.pipeline import Pipeline
from profiles.session import Aws
from tests.examples.sensors.conftest import ROOT, SENSORS, Answer, stockpipe
from tests.support.console_process import running_console
from tests.support.environments import STOCKS
from tests.support.sandboxes import ENGINES
from tests.support.waiting import wait_until

SIMULATION = ("--start", "2026-07-01T12:00:00Z", "--count", "60")
CSV = """site,sensor,temperature,humidity,timestamp
nice,porch,19.5,,2026-07-02T08:00:00Z
nice,porch,35,60,2026-07-02T09:00:00Z
"""
DAMAGED = '{"site": "lyon", "sensor": "roof", "temperature": "hot"}'


@dataclass(frozen=True)
class Desk:
    """A pipeline in the account, and the command line on it."""

    environment: Environment
    settings: Settings
    manifest: str = ""  # of the records that it was made with

    @property
    def variables(self) -> dict[str, str]:
        return {
            "STOCKPIPE_PIPELINE": str(self.environment.pipeline.folder),
            "STOCKPIPE_PREFIX": self.environment.names.prefix,
            "AWS_ENDPOINT_URL": str(self.environment.aws.profile.endpoint_url),
        }

    def run(self, *arguments: str) -> Answer:
        return stockpipe(*arguments, **self.variables)

    def json(self, *arguments: str) -> Any:
        return self.run(*arguments, "--json").json

    def declared(self) -> set[str]:
        plan = plan_from_scratch(self.environment.pipeline, self.environment.names, self.settings)
        return {action.resource for action in plan.actions}

    def drifted(self) -> list[str]:
        """What isn't as declared."""
        return [one.resource for one in bootstrap.status(self.environment, self.settings) if not one.as_declared]

    def objects(self) -> dict[str, str]:
        found = self.environment.aws.s3.list_objects_v2(Bucket=self.environment.names.bucket).get("Contents", [])
        return {one["Key"]: one["ETag"] for one in found}

    def url(self, queue: str) -> str:
        return queue_url(self.environment, queue)

    def fail_at_once(self) -> None:
        """A message that failed once becomes a dead letter, after seconds."""
        names = self.environment.names
        redrive = {"deadLetterTargetArn": names.dead_letter_queue_arn, "maxReceiveCount": 1}
        self.environment.aws.sqs.set_queue_attributes(
            QueueUrl=self.url(names.queue),
            Attributes={"VisibilityTimeout": "2", "RedrivePolicy": json.dumps(redrive)},
        )


@contextmanager
def desk_of(pipeline: Pipeline, aws: Aws, prefix: str, *simulation: str) -> Iterator[Desk]:
    """A desk with these simulated records, all of them stored."""
    environment = Environment(pipeline, aws, Names(pipeline.names, aws.account, prefix))
    settings = Settings(pipeline.settings())
    bootstrap.up(environment, settings)
    desk = Desk(environment, settings)
    assert desk.drifted() == []
    sent = desk.json("produce", "--seed", "7", "--speed", "max", *simulation)
    assert desk.json("reconcile", "--wait", "60")["stored"] == sent["sent"]
    yield replace(desk, manifest=sent["manifest"])
    bootstrap.down(environment, settings)


@pytest.fixture(scope="module", params=ENGINES)
def aws(request: pytest.FixtureRequest) -> Aws:
    found: Aws = request.getfixturevalue(request.param).aws
    return found


@pytest.fixture(scope="module")
def prefix() -> str:
    """Both pipelines have the same one: only their own names keep them apart."""
    return f"s{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def sensors(aws: Aws, prefix: str) -> Iterator[Desk]:
    """With 60 simulated readings."""
    with desk_of(SENSORS, aws, prefix, *SIMULATION) as desk:
        yield desk


@pytest.fixture(scope="module")
def stocks(aws: Aws, prefix: str) -> Iterator[Desk]:
    """With 20 ticks."""
    with desk_of(STOCKS, aws, prefix, "--count", "20") as desk:
        yield desk


def test_simulated_readings_are_reconciled_alerted_and_traced(sensors: Desk) -> None:
    # when 60 readings were sent
    result = sensors.json("reconcile", "--manifest", sensors.manifest)

    # then each is stored, with two windows of alerts
    assert (result["produced"], result["stored"], result["missing"], result["alerts"]) == (60, 60, [], 2)
    alerts = [one for one in sensors.json("alerts")["alerts"] if one["fields"]["run"] in sensors.manifest]
    assert sorted(alert["subject"].partition(" 3")[0] for alert in alerts) == [
        "Too hot: lyon/roof",
        "Too hot: oslo/boiler",
    ]

    # and the archive has them, without SNS's envelope
    archive = sensors.url(sensors.environment.names.prefixed("SensorAlertsArchive"))
    kept = wait_until(
        lambda: sensors.environment.aws.sqs.receive_message(QueueUrl=archive, MaxNumberOfMessages=10).get("Messages")
    )
    assert {json.loads(one["Body"])["rule"] for one in kept} == {"hot"}

    # and an alerted reading's way is known
    trace = sensors.json("trace", alerts[0]["fields"]["reading_id"])
    assert trace["outcome"] == "stored"
    assert trace["reading"]["run"] == alerts[0]["fields"]["run"]
    assert trace["reading"]["run"] in result["manifests"][0], "the run that made it"
    assert trace["key"].startswith(("readings/lyon/roof/", "readings/oslo/boiler/"))
    assert trace["alert_marker"].startswith(("alerts/hot/lyon/roof/", "alerts/hot/oslo/boiler/"))


def test_doctor_knows_its_parts(sensors: Desk) -> None:
    checks = {one["name"]: one for one in json.loads(sensors.run("doctor", "--json").stdout)["checks"]}

    assert "hot, damp ALERT_TEMPERATURE=30" in checks["rules"]["found"]
    assert {checks[name]["state"] for name in ("rules", "role", "alerts", "records", "mapping")} == {"ok"}, checks


def test_readings_of_a_file_are_sent(sensors: Desk, tmp_path: Path) -> None:
    file = tmp_path / "readings.csv"
    file.write_text(CSV)

    assert sensors.json("produce", "--replay", str(file))["sent"] == 2

    result = sensors.json("reconcile", "--wait", "60")
    assert (result["produced"], result["stored"], result["alerts"]) == (2, 2, 1)
    file.write_text(CSV.replace("35", "hot"))
    refused = sensors.run("produce", "--replay", str(file))
    assert refused.exit_code == 2
    assert (
        "readings.csv, line 3: column 3 (temperature) is 'hot'; expected a number of °C above -273.15" in refused.stderr
    )


def test_a_damaged_reading_is_a_dead_letter_with_its_reason(sensors: Desk) -> None:
    reason = "temperature is a string, not a number"
    sensors.fail_at_once()
    names, sqs = sensors.environment.names, sensors.environment.aws.sqs
    message = sqs.send_message(QueueUrl=sensors.url(names.queue), MessageBody=DAMAGED)["MessageId"]

    [letter] = wait_until(lambda: sensors.json("dlq", "list")["dead_letters"])
    assert letter["message_id"] == message
    shown = wait_until(lambda: found if (found := sensors.json("dlq", "show", message))["failures"] else None)
    assert shown["failures"][0]["reason"] == reason
    assert f"reading rejected reason={reason}" in sensors.run("logs", "--filter", "ERROR").stdout
    assert sensors.json("dlq", "redrive")["moved"] == 1


def test_its_named_queries_answer(sensors: Desk) -> None:
    expected = {
        "temperature": "lyon,cellar,",
        "humidity": "lyon,2,",
        "last_seen": "oslo,garden,2026-07-01T12:00:05.900Z,",
        "alert_history": "lyon,roof,3",
    }
    assert set(expected) == set(named_queries(SENSORS))

    for name, row in expected.items():
        answer = sensors.run("query", name, "--engine", "duckdb", "--format", "csv", "--chart")
        assert row in answer.stdout, answer.stderr
        assert name == "alert_history" or "lyon" in answer.stderr, "the chart"

    # and without a choice, the endpoint's Athena or what is used instead of it
    answer = sensors.run("query", "--sql", "SELECT COUNT(DISTINCT sensor) AS sensors FROM readings", "--format", "csv")
    assert answer.stdout.startswith("sensors\n"), answer.stderr


def test_it_says_that_there_is_no_compaction(sensors: Desk) -> None:
    refused = sensors.run("compact")

    assert refused.exit_code == 2
    assert refused.stderr == (f"error: this pipeline has no compaction: {SENSORS.sql} has no folder compaction\n")


def test_the_console_shows_it(sensors: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sensors.variables.items():
        monkeypatch.setenv(name, value)

    with running_console(sensors.variables["AWS_ENDPOINT_URL"], tmp_path / "log") as url:
        page = wait_until(lambda: opened(url))

    for text in ("SensorQueue", "Temperature by sensor", "Send a reading", "Humidity, in %", "alert_history"):
        assert text in page
    assert "Stock" not in page


def opened(url: str) -> str | None:
    """The page; None until it listens, shortly after it has said where."""
    with suppress(OSError), urllib.request.urlopen(url) as answer:  # noqa: S310 - the console's own address
        return str(answer.read().decode())
    return None


def test_the_demo_plays_it(sensors: Desk, prefix: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "stockpipe", "demo", "--seconds", "2", "--seed", "7"],
        cwd=ROOT,
        env={**os.environ, **sensors.variables, "STOCKPIPE_PREFIX": f"{prefix}-d"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Simulated readings for 2 s" in ran.stdout
    assert "reconciled: 20 produced = 20 stored + 0 dead-lettered; missing 0" in ran.stdout
    assert "Too hot: " in ran.stdout
    assert "Removed the resources that the demo created" in ran.stdout


def test_neither_pipeline_sees_the_other(sensors: Desk, stocks: Desk) -> None:
    assert not sensors.declared() & stocks.declared()
    for mine, other in ((sensors, stocks), (stocks, sensors)):
        removed = {action.resource for action in bootstrap.plan_removal(mine.environment, mine.settings).actions}
        assert removed <= mine.declared()
        assert not removed & other.declared()

    # each has its own runs, objects and alerts
    assert {path.parent.parent.name for path in all_paths(stocks.environment)} != {
        path.parent.parent.name for path in all_paths(sensors.environment)
    }
    assert stocks.json("reconcile")["produced"] == 20
    assert stocks.json("alerts")["alerts"] == []
    assert {key.split("/")[0] for key in stocks.objects()} == {"processed"}
    assert "processed" not in {key.split("/")[0] for key in sensors.objects()}


def test_down_of_one_leaves_the_other_at_work(aws: Aws) -> None:
    # given both, with a prefix of their own
    prefix = f"d{uuid.uuid4().hex[:8]}"
    with (
        desk_of(STOCKS, aws, prefix, "--count", "5") as stocks,
        desk_of(SENSORS, aws, prefix, "--count", "5") as sensors,
    ):
        before = stocks.objects()

        # when the sensors are removed
        down = sensors.run("down", "--yes")

        # then the stocks go on
        assert down.exit_code == 0, down.stderr
        assert "Stock" not in down.stdout + down.stderr
        assert not any(one.exists for one in bootstrap.status(sensors.environment, sensors.settings))
        assert stocks.drifted() == []
        assert stocks.objects() == before
        assert stocks.json("produce", "--seed", "8", "--count", "1", "--speed", "max")["sent"] == 1
        assert stocks.json("reconcile", "--wait", "60")["stored"] == 1
