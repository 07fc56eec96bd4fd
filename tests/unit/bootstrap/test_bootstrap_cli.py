"""The command line without any endpoint: dry runs, JSON, refusals, and asking before AWS is changed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bootstrap import deployment
from bootstrap.deployment import Report
from bootstrap.model import Plan
from bootstrap.planner import KEPT
from profiles.session import Aws, Profile
from tests.support.command_line import Answer, stockpipe, works_on
from tests.support.environments import STOCKS, at, stock_names, stock_settings

ACCOUNT = "123456789012"


def _run(*arguments: str, answer: str = "") -> Answer:
    return stockpipe(*arguments, text=answer)


@pytest.fixture(autouse=True)
def _no_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOCKPIPE_PREFIX", "STOCKPIPE_BUCKET", "STOCKPIPE_PROFILE", "STOCKPIPE_ALERT_THRESHOLD"):
        monkeypatch.delenv(name, raising=False)


def test_a_dry_run_from_scratch_prints_every_call_with_its_parameters() -> None:
    result = _run("plan", "--from-scratch", "--dry-run", "--account", ACCOUNT, "--alert-threshold", "900")

    lines = result.stdout.splitlines()
    calls = [line.strip() for line in lines if line.startswith("  ") and not line.startswith("  wait")]
    assert result.exit_code == 0
    assert next(line for line in lines if not line.startswith(" ")) == "create queue StockQueue-dlq"
    assert {call.partition(" ")[0] for call in calls} == {
        *("sqs.CreateQueue", "sqs.SetQueueAttributes", "sns.CreateTopic", "sns.Subscribe", "s3.CreateBucket"),
        *("s3.PutPublicAccessBlock", "s3.PutBucketEncryption", "s3.PutBucketPolicy", "iam.CreateRole"),
        *("iam.PutRolePolicy", "logs.CreateLogGroup", "logs.PutRetentionPolicy", "lambda.CreateFunction"),
        *("lambda.CreateEventSourceMapping", "cloudwatch.PutMetricAlarm", "cloudwatch.TagResource"),
        *("athena.CreateWorkGroup", "glue.CreateDatabase", "glue.CreateTable"),
    }
    (function,) = [json.loads(call.partition(" ")[2]) for call in calls if call.startswith("lambda.CreateFunction")]
    assert function["Environment"]["Variables"]["ALERT_THRESHOLD"] == "900"
    assert function["Code"]["ZipFile"].endswith(" bytes>")
    (bucket,) = [json.loads(call.partition(" ")[2]) for call in calls if call.startswith("s3.CreateBucket")]
    assert bucket["CreateBucketConfiguration"]["LocationConstraint"] == "us-east-2"


def test_a_plan_as_json_has_every_action_with_its_calls() -> None:
    result = _run("plan", "--from-scratch", "--json", "--prefix", "alice")

    found = json.loads(result.stdout)
    assert found["changes"] == len(found["actions"])
    assert {action["action"] for action in found["actions"]} == {"create"}
    queue = next(action for action in found["actions"] if action["resource"] == "queue alice-StockQueue")
    assert queue["calls"][0]["operation"] == "CreateQueue"
    assert queue["differences"]["VisibilityTimeout"] == {"live": None, "declared": "60"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--batch-size", "11"), "Maximum batch window in seconds must be greater than 0"),
        (("--object-layout", "parquet"), "one of record, batch"),
        (("--prefix", "Upper"), "lower-case"),
    ],
)
def test_what_aws_would_refuse_is_refused_without_an_endpoint(arguments: tuple[str, ...], text: str) -> None:
    result = _run("plan", "--from-scratch", *arguments)

    assert result.exit_code == 2
    assert text in result.error


def test_settings_can_come_from_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_ALERT_THRESHOLD", "850")

    result = _run("plan", "--from-scratch", "--dry-run")

    assert '"ALERT_THRESHOLD": "850"' in result.stdout


@dataclass
class _Account:
    """Stands in for an AWS account: what was asked of it."""

    changed: list[str]


def _command(confirmed: Plan) -> str:
    return "up" if confirmed.keep is None else "down"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> _Account:
    """An AWS profile whose plan has one change. What `up` and `down` would do is only noted."""
    aws = Aws(Profile("production", None), None)  # type: ignore[arg-type]
    aws.__dict__["account"] = ACCOUNT
    noted = _Account([])

    def change(name: str, left: dict[str, str]) -> Any:
        def run(*_: Any, **__: Any) -> Report:
            noted.changed.append(name)
            return Report((), left, 0.0)

        return run

    plan = deployment.plan_from_scratch(STOCKS, stock_names(ACCOUNT), stock_settings())
    works_on(monkeypatch, at(aws, stock_names(ACCOUNT)))
    monkeypatch.setattr(deployment, "plan", lambda *_: plan)
    monkeypatch.setattr(deployment, "plan_removal", lambda *_, **__: Plan(plan.actions[:1], keep=frozenset()))
    monkeypatch.setattr(deployment, "apply", lambda _, confirmed, *__: change(_command(confirmed), {})())
    monkeypatch.setattr(deployment, "up", change("up", {}))
    monkeypatch.setattr(deployment, "down", change("down", {"bucket b": KEPT}))
    return noted


@pytest.mark.parametrize("command", ["up", "down"])
def test_on_aws_it_shows_account_and_changes_and_asks(account: _Account, command: str) -> None:
    refused = _run(command, answer="n\n")
    accepted = _run(command, answer="y\n")

    assert refused.exit_code == 2
    assert accepted.exit_code == 0
    assert account.changed == [command]
    for result in (refused, accepted):
        assert ACCOUNT in result.output
        assert "us-east-2" in result.output
        assert "queue StockQueue-dlq" in result.output


@pytest.mark.parametrize("command", ["up", "down"])
def test_on_aws_yes_needs_the_right_account(account: _Account, command: str) -> None:
    without = _run(command, "--yes")
    wrong = _run(command, "--yes", "--account", "999999999999")
    right = _run(command, "--yes", "--account", ACCOUNT)

    assert f"--yes --account {ACCOUNT}" in without.error
    assert "--account 999999999999, but profile production is account" in wrong.error
    assert right.exit_code == 0
    assert account.changed == [command]


def test_what_down_leaves_on_purpose_is_said_and_is_no_failure(account: _Account) -> None:
    result = _run("down", "--yes", "--account", ACCOUNT, "--keep-data")

    assert result.exit_code == 0
    assert "left: bucket b: kept, as asked" in result.output


@pytest.mark.usefixtures("account")
def test_down_says_what_stays_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, cache = tmp_path / "state", tmp_path / "cache"
    (state / "manifests").mkdir(parents=True)
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(state))
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(cache))

    result = _run("down", "--yes", "--account", ACCOUNT)

    kept = f"kept on this machine: the manifests of what was sent ({state / 'manifests'}), the caches ({cache})"
    assert result.stderr.splitlines()[-1] == kept


def test_down_changes_nothing_if_its_folders_cannot_be_used(account: _Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", "relative")

    result = _run("down", "--yes", "--account", ACCOUNT)

    assert result.exit_code == 2
    assert account.changed == []


def test_what_down_leaves_to_others_is_exit_1(account: _Account, monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report((), {"queue q": "it belongs to the environment 'alice'"}, 0.0)
    monkeypatch.setattr(deployment, "down", lambda *_, **__: report)

    result = _run("down", "--yes", "--account", ACCOUNT)

    assert result.exit_code == 1
    assert "left: queue q: it belongs to the environment 'alice'" in result.output
