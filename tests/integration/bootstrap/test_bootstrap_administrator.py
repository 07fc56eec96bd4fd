"""The administrator policy in the documentation is made from the calls that bootstrap was seen to make."""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint  # type: ignore[import-untyped]

from bootstrap import Settings, down, status, up
from bootstrap.administrator import administrator_policy, operations_of
from bootstrap.declaration import declare
from bootstrap.policies import PolicyDocument
from bootstrap.resources.cloudwatch import Alarm
from profiles.names import Names
from tests.support.sandboxes import Sandbox, sandbox_on

DOCUMENT = Path(__file__).parents[3] / "docs" / "administrator-policy.json"
REGENERATE = "STOCKPIPE_WRITE_DOCS"
DOCUMENTED = Settings(Names("123456789012"), alert_email="alerts@example.com")


@pytest.fixture
def sandbox(ministack: Any) -> Iterator[Sandbox]:
    with sandbox_on(ministack.endpoint_url) as found:
        yield found


def _policy_from_recorded_calls(sandbox: Sandbox) -> PolicyDocument:
    aws, settings = sandbox.aws, dataclasses.replace(sandbox.settings, alert_email="alerts@example.com")
    up(aws, settings)
    status(aws, settings)
    aws.s3.delete_bucket_tagging(Bucket=settings.names.bucket)
    up(aws, settings)
    down(aws, settings)
    seen = {(call.service, call.operation) for call in sandbox.recorder.sent}
    seen -= {("s3", "DeleteBucketTagging")}  # the test's own
    declared = declare(DOCUMENTED)
    alarms = [resource for resource in declared if isinstance(resource, Alarm)]
    return administrator_policy(DOCUMENTED.names, alarms, seen | operations_of(declared))


def test_the_documented_administrator_policy_is_what_bootstrap_needs(sandbox: Sandbox) -> None:
    policy = _policy_from_recorded_calls(sandbox)
    text = json.dumps(policy, indent=2) + "\n"
    if os.environ.get(REGENERATE):
        DOCUMENT.write_text(text, encoding="utf-8")

    assert DOCUMENT.read_text(encoding="utf-8") == text, f"run this test with {REGENERATE}=1, and commit the result"


def test_its_actions_are_real() -> None:
    policy = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    resource = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy}}

    found = lint(json.dumps({"Resources": {"Administrator": resource}}), config=ManualArgs(regions=["us-east-2"]))

    assert [f"{match.rule.id} {match.message}" for match in found] == []
