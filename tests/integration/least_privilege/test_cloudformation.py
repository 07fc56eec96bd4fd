"""The exported template deployed with IAM enforced: the same environment as `up` makes, and ticks flow through it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bootstrap import cloudformation, status
from bootstrap.function_zip import build_function_zip
from bootstrap.resources.lambda_function import CODE_BUCKET, CODE_KEY
from operations.reconcile import reconcile
from pipeline.source import Market
from producer.production import Production, simulated
from profiles.environment import Environment
from tests.support.enforced_iam import ROOT, Endpoint
from tests.support.environments import STOCKS, at, stock_names, stock_settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import WaiterConfigTypeDef

SETTINGS = stock_settings(alert_email="somebody@example.com")
POLLING: "WaiterConfigTypeDef" = {"Delay": 1, "MaxAttempts": 60}

# What ministack's CloudFormation doesn't set though the template says so.
LEFT_OUT = {"bucket": ["Tags"], "event source mapping": ["Tags"]}


@pytest.fixture
def deployed(enforced: Endpoint) -> Iterator[Environment]:
    """A stack of the template, with the function's zip in a bucket beside it."""
    aws = enforced.as_(ROOT)
    names = stock_names(aws.account, f"stack{os.getpid() % 100_000}")
    stack, code = names.prefix, f"{names.prefix}-code"
    aws.s3.create_bucket(Bucket=code, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    aws.s3.put_object(Bucket=code, Key="function.zip", Body=build_function_zip(STOCKS).content)
    aws.cloudformation.create_stack(
        StackName=stack,
        TemplateBody=cloudformation.to_json(cloudformation.template(STOCKS, names, SETTINGS)),
        Parameters=[
            {"ParameterKey": CODE_BUCKET, "ParameterValue": code},
            {"ParameterKey": CODE_KEY, "ParameterValue": "function.zip"},
        ],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    aws.cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=POLLING)
    yield at(aws, names)
    aws.cloudformation.delete_stack(StackName=stack)
    aws.cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=POLLING)


def test_the_stack_is_what_up_makes_and_works(deployed: Environment, tmp_path: Path) -> None:
    found = status(deployed, SETTINGS)
    market = Market(7, datetime.now(UTC), groups=("AAPL", "NFLX"))
    manifest = tmp_path / "run.jsonl"
    Production(deployed, simulated(market, count=50, speed=None), manifest=manifest).run()
    result = reconcile(deployed, [manifest], wait_seconds=60)

    assert [one.resource for one in found if not one.exists] == []
    drift = {one.resource: [difference.attribute for difference in one.drift] for one in found if one.drift}
    prefix = deployed.names.prefix
    assert {name.partition(f" {prefix}")[0]: attributes for name, attributes in drift.items()} == LEFT_OUT
    assert result.holds
    assert (result.stored, len(result.dead_lettered)) == (50, 0)
