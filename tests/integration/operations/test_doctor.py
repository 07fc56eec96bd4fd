"""Each fault of the troubleshooting list, provoked on a running engine: doctor names it, and its fix repairs it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

import bootstrap
from emulator import lifecycle
from operations.doctor import Check, State, endpoint, examine
from pipeline.contract import Tick
from producer import manifest as manifests
from producer.manifest import ManifestWriter, Sent
from profiles.names import Names
from tests.support.aws_calls import acceptance
from tests.support.command_line import stockpipe
from tests.support.sandboxes import ENGINES, Sandbox, fresh_environment, sandbox_on
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Patient:
    """An environment to break and to examine."""

    sandbox: Sandbox
    endpoint_url: str

    @property
    def aws(self) -> Any:
        return self.sandbox.aws

    @property
    def names(self) -> Names:
        return self.sandbox.names

    def examine(self) -> dict[str, Check]:
        checks = examine("local", self.names.prefix, environ={"AWS_ENDPOINT_URL": self.endpoint_url})
        return {check.name: check for check in checks}

    def up(self) -> None:
        bootstrap.up(self.sandbox.environment, self.sandbox.settings)

    def url(self, queue: str) -> str:
        return str(self.aws.sqs.get_queue_url(QueueName=queue)["QueueUrl"])

    @property
    def mapping_uuid(self) -> str:
        found = self.aws.lambda_.list_event_source_mappings(FunctionName=self.names.function)
        return str(found["EventSourceMappings"][0]["UUID"])


@pytest.fixture(scope="module", params=ENGINES)
def healthy(request: pytest.FixtureRequest) -> Iterator[Patient]:
    url = request.getfixturevalue(request.param).endpoint_url
    with sandbox_on(url) as sandbox:
        bootstrap.up(sandbox.environment, sandbox.settings)
        yield Patient(sandbox, url)


@pytest.fixture
def patient(healthy: Patient, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """With clients that are made once, and whose calls a test can answer itself."""
    monkeypatch.setattr(endpoint, "open_profile", lambda *_, **__: healthy.aws)
    return healthy


def failures(checks: dict[str, Check]) -> dict[str, str]:
    return {name: f"{check.found} → {check.fix}" for name, check in checks.items() if check.state is State.FAILED}


def disable_mapping(patient: Patient) -> None:
    """And wait: LocalStack would call it Disabled in the end, if it were enabled again while it is Disabling."""
    uuid = patient.mapping_uuid
    patient.aws.lambda_.update_event_source_mapping(UUID=uuid, Enabled=False)
    wait_until(lambda: patient.aws.lambda_.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")


def delete_mapping(patient: Patient) -> None:
    uuid = patient.mapping_uuid
    patient.aws.lambda_.delete_event_source_mapping(UUID=uuid)
    wait_until(
        lambda: (
            not patient.aws.lambda_.list_event_source_mappings(FunctionName=patient.names.function)[
                "EventSourceMappings"
            ]
        )
    )


def delete_function(patient: Patient) -> None:
    patient.aws.lambda_.delete_function(FunctionName=patient.names.function)


def _set_variables(patient: Patient, change: Callable[[dict[str, str]], None]) -> None:
    lambda_ = patient.aws.lambda_
    live = lambda_.get_function_configuration(FunctionName=patient.names.function)
    variables = dict(live["Environment"]["Variables"])
    change(variables)
    lambda_.update_function_configuration(FunctionName=patient.names.function, Environment={"Variables": variables})
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=patient.names.function, WaiterConfig={"Delay": 1})


def forget_bucket_variable(patient: Patient) -> None:
    _set_variables(patient, lambda variables: variables.__delitem__("BUCKET"))


def write_elsewhere(patient: Patient) -> None:
    _set_variables(patient, lambda variables: variables.update(BUCKET="some-other-bucket"))


def remove_policy(patient: Patient) -> None:
    patient.aws.iam.delete_role_policy(RoleName=patient.names.role, PolicyName=patient.names.policy)


def forbid_storing(patient: Patient) -> None:
    iam, names = patient.aws.iam, patient.names
    document = iam.get_role_policy(RoleName=names.role, PolicyName=names.policy)["PolicyDocument"]
    document["Statement"] = [one for one in document["Statement"] if one["Sid"] != "StoreRecords"]
    iam.put_role_policy(RoleName=names.role, PolicyName=names.policy, PolicyDocument=json.dumps(document))


def distrust_lambda(patient: Patient) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    }
    patient.aws.iam.update_assume_role_policy(RoleName=patient.names.role, PolicyDocument=json.dumps(trust))


def remove_bucket(patient: Patient) -> None:
    patient.aws.s3.delete_bucket(Bucket=patient.names.bucket)


def remove_topic(patient: Patient) -> None:
    patient.aws.sns.delete_topic(TopicArn=patient.names.topic_arn)


def unsubscribe_inbox(patient: Patient) -> None:
    for found in patient.aws.sns.list_subscriptions_by_topic(TopicArn=patient.names.topic_arn)["Subscriptions"]:
        patient.aws.sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])


def remove_log_group(patient: Patient) -> None:
    patient.aws.logs.delete_log_group(logGroupName=patient.names.log_group)


def remove_redrive_policy(patient: Patient) -> None:
    patient.aws.sqs.set_queue_attributes(QueueUrl=patient.url(patient.names.queue), Attributes={"RedrivePolicy": ""})


FAULTS = [
    (disable_mapping, "mapping", "the event source mapping is Disabled: Lambda doesn't fire"),
    (delete_mapping, "mapping", "nothing hands {queue} to {function}: Lambda doesn't fire"),
    (delete_function, "function", "there is no function {function}: Lambda doesn't fire"),
    (forget_bucket_variable, "function", "every invocation fails: environment variable BUCKET is missing"),
    (write_elsewhere, "function", "its environment says BUCKET=some-other-bucket, not {bucket}"),
    (remove_policy, "role", "{role} doesn't allow sqs:ReceiveMessage on"),
    (forbid_storing, "role", "{role} doesn't allow s3:PutObject on arn:aws:s3:::{bucket}/processed/* →"),
    (distrust_lambda, "role", "the trust policy of {role} doesn't let Lambda assume it"),
    (remove_bucket, "bucket", "there is no bucket {bucket}: nothing can be stored"),
    (remove_topic, "alerts", "there is no topic {topic}"),
    (unsubscribe_inbox, "alerts", "{inbox_queue} isn't subscribed to {topic}"),
    (remove_log_group, "log", "there is no log group {log_group}"),
    (remove_redrive_policy, "queue", "{queue} has no redrive policy to {dead_letter_queue}"),
]


@pytest.mark.parametrize(("provoke", "check", "cause"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS])
def test_doctor_names_the_cause_and_its_fix_repairs_it(
    patient: Patient, provoke: Callable[[Patient], None], check: str, cause: str
) -> None:
    # given an environment with one fault
    provoke(patient)

    # when it is examined, then the fault is named, and nothing else
    found = failures(patient.examine())
    names = {name: getattr(patient.names, name) for name in dir(patient.names) if not name.startswith("_")}
    try:
        assert list(found) == [check]
        assert cause.format(**names) in found[check]
        assert f"stockpipe up --prefix {patient.names.prefix}" in found[check]

    # and what doctor says to do, helps
    finally:
        patient.up()
    assert failures(patient.examine()) == {}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"FunctionResponseTypes": []}, "ignores partial batch responses"),
        ({"LastProcessingResult": "PROBLEM: Function call failed"}, "Lambda says: PROBLEM: Function call failed"),
        ({"State": "Deleting"}, "the event source mapping is Deleting: Lambda doesn't fire"),
    ],
    ids=["responses", "problem", "state"],
)
def test_what_aws_says_of_a_mapping_is_understood(patient: Patient, change: dict[str, Any], cause: str) -> None:
    # given an answer of AWS that isn't provoked on an engine (LocalStack's State is wrong after an update)
    live = patient.aws.lambda_.list_event_source_mappings(EventSourceArn=patient.names.queue_arn)
    answer = acceptance(EventSourceMappings=[live["EventSourceMappings"][0] | change])
    patient.sandbox.recorder.intercept = lambda called, _: answer if called == "ListEventSourceMappings" else None
    try:
        found = failures(patient.examine())
    finally:
        patient.sandbox.recorder.intercept = None
    assert list(found) == ["mapping"]
    assert cause in found["mapping"]


def test_a_pending_confirmation_is_why_no_email_comes(patient: Patient) -> None:
    # given what SNS answers until somebody has clicked the link
    inbox = {"Protocol": "sqs", "Endpoint": patient.names.inbox_queue_arn, "SubscriptionArn": "arn:inbox"}
    pending = {"Protocol": "email", "Endpoint": "me@example.com", "SubscriptionArn": "PendingConfirmation"}
    answer = acceptance(Subscriptions=[inbox, pending])
    patient.sandbox.recorder.intercept = lambda called, _: answer if called == "ListSubscriptionsByTopic" else None
    try:
        found = failures(patient.examine())
    finally:
        patient.sandbox.recorder.intercept = None
    assert list(found) == ["email"]
    assert "me@example.com: pending confirmation" in found["email"]
    assert "click the link in the mail" in found["email"]
    assert "--alert-email me@example.com" in found["email"]


def test_nobody_subscribed_by_email_is_said_as_well(patient: Patient) -> None:
    email = patient.examine()["email"]
    assert email.state is State.INFO
    assert email.found == "nobody gets alerts by email"
    assert f"stockpipe up --prefix {patient.names.prefix} --alert-email" in email.fix


def test_a_threshold_that_no_tick_reached_is_why_there_is_no_alert(patient: Patient) -> None:
    # given a run whose highest price is below the threshold
    ticks = [Tick(f"low-{number}", "AAPL", 500.0 + number, 1, "2026-01-05T14:30:00Z") for number in range(3)]
    with ManifestWriter(manifests.new_path(patient.sandbox.environment, "low")) as writer:
        writer.append([Sent(tick, "message") for tick in ticks])
    rules = patient.examine()["rules"]
    assert rules.state is State.WARNING
    assert "no rule applies to a tick of the latest run (highest price: 502.00)" in rules.found
    assert "--alert-threshold" in rules.fix


def test_an_empty_history_is_explained(patient: Patient) -> None:
    records = patient.examine()["records"]
    assert "none yet under processed/, so queries find nothing" in records.found
    assert records.fix == "send ticks: stockpipe produce"


def test_a_tick_that_fails_shows_in_the_log_check(patient: Patient) -> None:
    patient.aws.sqs.send_message(QueueUrl=patient.url(patient.names.queue), MessageBody='{"symbol": "AAPL"}')
    wait_until(lambda: patient.examine()["log"].state is State.WARNING)
    log = patient.examine()["log"]
    assert "tick rejected: price is missing" in log.found
    assert "stockpipe logs" in log.fix


def test_without_an_environment_every_resource_is_named(patient: Patient) -> None:
    names = fresh_environment(patient.aws).names
    found = examine("local", names.prefix)
    by_name = {check.name: check for check in found}
    for check in ("queue", "function", "mapping", "role", "bucket", "alerts", "log", "dead letters"):
        assert by_name[check].state is State.FAILED, check
        assert by_name[check].fix == f"stockpipe up --prefix {names.prefix}", check
    assert by_name["rules"].state is State.SKIPPED


def test_athena_or_what_stands_in_for_it(patient: Patient) -> None:
    athena = patient.examine()["athena"]
    assert athena.state is not State.FAILED
    assert "DuckDB" in athena.found or "workgroup" in athena.found


def move_table(aws: Any, names: Names) -> None:
    table = {"Name": "records", "StorageDescriptor": {"Location": "s3://elsewhere/processed/"}}
    aws.glue.update_table(DatabaseName=names.database, TableInput=table)


def remove_table(aws: Any, names: Names) -> None:
    aws.glue.delete_table(DatabaseName=names.database, Name="records")


def remove_workgroup(aws: Any, names: Names) -> None:
    aws.athena.delete_work_group(WorkGroup=names.workgroup, RecursiveDeleteOption=True)


def test_why_athena_finds_nothing(ministack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # given an engine with Athena
    with sandbox_on(ministack.endpoint_url) as sandbox:
        monkeypatch.setattr(endpoint, "open_profile", lambda *_, **__: sandbox.aws)
        patient = Patient(sandbox, ministack.endpoint_url)
        patient.up()
        athena = patient.examine()["athena"]
        assert athena.found == (
            f"workgroup {patient.names.workgroup}, table {patient.names.database}.records "
            f"over s3://{patient.names.bucket}/processed/"
        )
        for provoke, cause in (
            (move_table, "reads s3://elsewhere/processed/, not s3://"),
            (remove_table, f"there is no table {patient.names.database}.records"),
            (remove_workgroup, f"there is no workgroup {patient.names.workgroup}"),
        ):
            provoke(sandbox.aws, patient.names)
            found = failures(patient.examine())
            assert list(found) == ["athena"]
            assert cause in found["athena"]
            patient.up()
            assert failures(patient.examine()) == {}


def test_the_command_ends_with_1_where_there_is_a_fault(healthy: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", healthy.endpoint_url)
    good = stockpipe("doctor", "--prefix", healthy.names.prefix)
    assert (good.exit_code, good.stdout.splitlines()[-1].split(",")[0]) == (0, "healthy"), good.output
    bad = stockpipe("doctor", "--prefix", "nobody", "--json")
    document = json.loads(bad.stdout)
    assert bad.exit_code == 1
    assert document["healthy"] is False
    assert {"name": "queue", "state": "failed"}.items() <= next(
        check for check in document["checks"] if check["name"] == "queue"
    ).items()


def test_an_engine_that_was_stopped_or_died(free_port: int) -> None:
    running = lifecycle.start("ministack", free_port)
    environ = {"AWS_ENDPOINT_URL": running.endpoint_url}
    assert {check.name: check.state for check in examine("local", environ=environ)}["engine"] is State.OK

    # when it dies by itself
    process = psutil.Process(running.pid)
    family = [*process.children(recursive=True), process]
    for each in family:
        each.kill()
    psutil.wait_procs(family, 10)
    checks = {check.name: check for check in examine("local", environ=environ)}
    assert checks["engine"].found == f"nothing listens at {running.endpoint_url}: ministack ended by itself"
    assert f"stockpipe emulator logs --port {free_port}" in checks["engine"].fix
    assert checks["queue"].state is State.SKIPPED

    # when it is stopped
    lifecycle.stop(free_port)
    checks = {check.name: check for check in examine("local", environ=environ)}
    assert checks["engine"].found == f"nothing listens at {running.endpoint_url}: the emulator isn't running"
    assert checks["engine"].fix.startswith(f"stockpipe emulator start --port {free_port}")
