"""The calls that `up` makes are the same on LocalStack, on ministack, and at AWS's real host names.

AWS is moto here: it intercepts botocore's requests to the real host names, with no endpoint_url. What moto doesn't know
(event source mappings, RedriveAllowPolicy, a workgroup that isn't there) is answered in its place; the calls are
recorded all the same. LocalStack has no Athena: there its calls end with the question whether anything is there.
"""

import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from moto import mock_aws

from bootstrap import up
from profiles.names import Names
from profiles.session import Aws, Profile, open_endpoint
from tests.support.aws_calls import READ_ONLY, SERVICES, Answer, Recorder, acceptance, record, refusal
from tests.support.environments import at, stock_names, stock_settings

Calls = set[tuple[str, str, str]]
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PREFIX = f"same{os.getpid() % 1_000_000}"


@pytest.fixture
def on_aws() -> Iterator[tuple[Aws, list[str]]]:
    """Clients of a profile without endpoint_url, and the host names that they call. moto answers."""
    hosts: list[str] = []
    with mock_aws(config={"lambda": {"use_docker": False}, "iam": {"load_aws_managed_policies": False}}):
        session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "moto", region_name="us-east-2")
        aws = Aws(Profile("aws", None), session)
        for service in SERVICES:
            aws.client(service).meta.events.register_first(
                "before-send.*.*", lambda request, **_: hosts.append(str(urlsplit(request.url).hostname))
            )
        yield aws, hosts


def _what_moto_does_not_know(names: Names) -> Any:
    mapping = {"UUID": str(uuid.uuid4()), "EventSourceArn": names.queue_arn, "State": "Enabled"}

    def answer(operation: str, parameters: Mapping[str, Any]) -> Answer | None:
        if operation in ("CreateEventSourceMapping", "GetEventSourceMapping"):
            return acceptance(**mapping)
        if operation == "ListEventSourceMappings":
            return acceptance(EventSourceMappings=[])
        if operation == "GetWorkGroup":
            return refusal("InvalidRequestException", f"WorkGroup {parameters['WorkGroup']} is not found.")
        if operation == "SetQueueAttributes" and "RedriveAllowPolicy" in parameters["Attributes"]:
            return acceptance()
        return None

    return answer


def _normalised(recorder: Recorder, account: str) -> Calls:
    """Every call with its parameters, without what may differ: account, host names, ids made by AWS."""
    return {
        (call.service, call.operation, _UUID.sub("<uuid>", _parameters(call.parameters, account)))
        for call in recorder.sent
    }


def _parameters(parameters: Mapping[str, Any], account: str) -> str:
    known = dict(parameters)
    if "QueueUrl" in known:
        known["QueueUrl"] = known["QueueUrl"].rpartition("/")[2]
    return json.dumps(known, sort_keys=True, default=repr).replace(account, "<account>")


def _calls_of_up(aws: Aws) -> Calls:
    names, recorder = stock_names(aws.account, PREFIX), record(aws)
    if aws.profile.asks_before_changes:
        recorder.intercept = _what_moto_does_not_know(names)
    recorder.forget()
    up(at(aws, names), stock_settings(alert_email="alerts@example.com", maximum_concurrency=5))
    return _normalised(recorder, aws.account)


def test_up_makes_the_same_calls_on_localstack_on_ministack_and_on_aws(
    localstack: Any, ministack: Any, on_aws: tuple[Aws, list[str]]
) -> None:
    aws, hosts = on_aws
    at_aws = _calls_of_up(aws)

    on_localstack = _calls_of_up(open_endpoint(localstack.endpoint_url))
    on_ministack = _calls_of_up(open_endpoint(ministack.endpoint_url))

    of_athena = {call for call in at_aws if call[0] in ("athena", "glue") and not call[1].startswith(READ_ONLY)}
    assert on_ministack == at_aws
    assert on_localstack == at_aws - of_athena
    assert {operation for _, operation, _ in of_athena} == {"CreateWorkGroup", "CreateDatabase", "CreateTable"}
    assert {operation for _, operation, _ in at_aws} >= {"CreateQueue", "CreateFunction", "CreateEventSourceMapping"}
    assert set(hosts) == {
        "athena.us-east-2.amazonaws.com",
        "glue.us-east-2.amazonaws.com",
        "iam.amazonaws.com",
        "monitoring.us-east-2.amazonaws.com",
        "lambda.us-east-2.amazonaws.com",
        "logs.us-east-2.amazonaws.com",
        "s3.us-east-2.amazonaws.com",
        "sns.us-east-2.amazonaws.com",
        "sqs.us-east-2.amazonaws.com",
    }
