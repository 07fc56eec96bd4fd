"""The exported template deployed where there is a CloudFormation, and two live environments compared."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap import cloudformation, status, up
from bootstrap.comparison import compare
from bootstrap.function_zip import build_function_zip
from bootstrap.resources.lambda_function import CODE_BUCKET, CODE_KEY
from tests.support.command_line import stockpipe
from tests.support.environments import STOCKS, at
from tests.support.sandboxes import Sandbox, sandbox_on

# What LocalStack 4.14's CloudFormation doesn't set though the template says so (docs/engines.md).
LOCALSTACK_CLOUDFORMATION_LEAVES_OUT = {"alarm": ["Tags"], "log": ["retentionInDays", "tags"]}


@pytest.fixture
def on_localstack(localstack: Any) -> Iterator[Sandbox]:
    with sandbox_on(localstack.endpoint_url) as found:
        yield found


@pytest.fixture
def on_ministack(ministack: Any) -> Iterator[Sandbox]:
    with sandbox_on(ministack.endpoint_url) as found:
        yield found


@pytest.fixture
def with_cloudformation(localstack_with_options: Any) -> Iterator[Sandbox]:
    with sandbox_on(localstack_with_options.endpoint_url) as found:
        yield found


def test_the_template_deployed_is_what_up_makes(with_cloudformation: Sandbox) -> None:
    aws, names, settings = with_cloudformation.aws, with_cloudformation.names, with_cloudformation.settings
    stack, code = names.prefix, f"{names.prefix}-code"
    aws.s3.create_bucket(Bucket=code, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    aws.s3.put_object(Bucket=code, Key="function.zip", Body=build_function_zip(STOCKS).content)

    aws.cloudformation.create_stack(
        StackName=stack,
        TemplateBody=cloudformation.to_json(cloudformation.template(STOCKS, names, settings)),
        Parameters=[
            {"ParameterKey": CODE_BUCKET, "ParameterValue": code},
            {"ParameterKey": CODE_KEY, "ParameterValue": "function.zip"},
        ],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    aws.cloudformation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 90}
    )

    found = status(with_cloudformation.environment, settings)
    assert [one.resource for one in found if not (one.exists or one.skipped)] == []
    drift = {one.resource.split()[0]: sorted({d.attribute for d in one.drift}) for one in found if one.drift}
    assert drift == LOCALSTACK_CLOUDFORMATION_LEAVES_OUT
    aws.cloudformation.delete_stack(StackName=stack)
    aws.cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 90}
    )


def test_the_same_settings_give_the_same_environment_on_both_engines(
    on_localstack: Sandbox, on_ministack: Sandbox
) -> None:
    settings = on_localstack.settings
    left, right = on_localstack.environment, at(on_ministack.aws, on_localstack.names)
    up(left, settings)
    up(right, settings)

    found = compare(left, right, settings)

    assert found == ()


def test_diff_names_what_differs_and_exits_1(
    ministack: Any, on_ministack: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    profile = "[profile {}]\nregion = us-east-2\nendpoint_url = {}\naws_access_key_id = {}\naws_secret_access_key = x\n"
    endpoint = ministack.endpoint_url
    config.write_text(profile.format("one", endpoint, "test") + profile.format("two", endpoint, "222222222222"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    names = on_ministack.names
    up(on_ministack.environment, on_ministack.settings)
    arguments = ["diff", "--profile", "one", "--profile", "two", "--prefix", names.prefix, "--json"]

    with_nothing = stockpipe(*arguments)
    with_itself = stockpipe("diff", "--profile", "one", "--profile", "one", "--prefix", names.prefix)

    assert with_nothing.exit_code == 1
    found = {one["resource"]: one["differences"] for one in json.loads(with_nothing.stdout)}
    assert found[f"queue {names.queue}"] == {"": {"left": "exists", "right": "missing"}}
    assert with_itself.exit_code == 0
    assert "no difference" in with_itself.stdout
