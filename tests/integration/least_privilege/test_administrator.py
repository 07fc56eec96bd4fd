"""Whoever runs bootstrap needs exactly the policy that `stockpipe export admin-policy` prints."""

import itertools
import json
import os
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from bootstrap import down, status, up
from bootstrap.admin_policy import admin_policy
from bootstrap.policies import PolicyDocument
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import Aws
from tests.support.aws_calls import record
from tests.support.enforced_iam import ROOT, Endpoint, Scene, hire
from tests.support.environments import STOCKS, at, stock_names, stock_settings
from tests.support.operations_made import (
    actions_for,
    actions_in,
    declared_operations,
    live_through,
    seen_operations,
)

_numbers = itertools.count(1)

# Everything that can be declared.
SETTINGS = stock_settings(alert_email="somebody@example.com")
REFUSED = r"AccessDenied|not authorized|Forbidden|right to use it"

# ministack checks these against all resources, because it doesn't look for the name where these requests carry it (a
# database's it takes for a table's). So there a user needs them for everything; IAM is asked what AWS checks.
CHECKED_AGAINST_EVERYTHING = (
    "athena:CreateWorkGroup",
    "athena:ListTagsForResource",
    "athena:TagResource",
    "cloudwatch:DeleteAlarms",
    "cloudwatch:ListTagsForResource",
    "cloudwatch:TagResource",
    "glue:DeleteDatabase",
    "glue:GetDatabase",
    "glue:UpdateDatabase",
    "lambda:CreateFunction",
    "sns:ListTagsForResource",
    "sns:TagResource",
)


def administrator(endpoint: Endpoint, policy: PolicyDocument) -> Aws:
    """A user with this policy, and with what ministack asks beyond AWS for the actions that are in it."""
    given = {action for statement in policy["Statement"] for action in statement["Action"]}
    gaps = [action for action in CHECKED_AGAINST_EVERYTHING if action in given]
    more = [{"Effect": "Allow", "Action": gaps, "Resource": "*"}] if gaps else []
    return hire(endpoint, {**policy, "Statement": [*policy["Statement"], *more]})


@pytest.fixture
def environment(enforced: Endpoint) -> Iterator[Environment]:
    """An environment that isn't there yet, with the account's root."""
    root = enforced.as_(ROOT)
    environment = at(root, stock_names(root.account, f"adm{os.getpid() % 100_000}-{next(_numbers)}"))
    yield environment
    down(environment, SETTINGS)


def test_an_environment_lives_and_ends_with_exactly_this_policy(enforced: Endpoint, environment: Environment) -> None:
    user = administrator(enforced, admin_policy(STOCKS, environment.names))
    recorder = record(user)

    live_through(at(user, environment.names), SETTINGS, enforced.as_(ROOT))

    assert not any(one.exists for one in status(environment, SETTINGS))
    # and the resources declare what all of these calls need, and nothing else
    made = seen_operations(recorder) | declared_operations(environment.pipeline, environment.names, SETTINGS)
    assert actions_in(admin_policy(STOCKS, environment.names)) == {one for call in made for one in actions_for(*call)}


def test_drift_is_put_right_with_it_too(enforced: Endpoint, environment: Environment) -> None:
    root, names = environment.aws, environment.names
    policy = admin_policy(STOCKS, names)
    as_user = at(administrator(enforced, policy), names)
    up(as_user, SETTINGS)
    root.iam.put_role_policy(
        RoleName=names.role, PolicyName="another", PolicyDocument=json.dumps(admin_policy(STOCKS, names))
    )
    root.s3.delete_bucket_policy(Bucket=names.bucket)
    root.s3.delete_public_access_block(Bucket=names.bucket)
    changed = stock_settings(
        alert_threshold=900.0,
        alert_email=SETTINGS.alert_email,
        max_receive_count=7,
        batch_size=5,
        log_retention_days=30,
    )

    up(as_user, changed)

    assert all(one.as_declared for one in status(as_user, changed))


def test_it_is_of_no_use_in_another_environment(scene: Scene, enforced: Endpoint, environment: Environment) -> None:
    elsewhere = at(administrator(enforced, admin_policy(STOCKS, environment.names)), scene.names)

    with pytest.raises((ClientError, CannotRunError), match=REFUSED):
        status(elsewhere, stock_settings())
    with pytest.raises((ClientError, CannotRunError), match=REFUSED):
        down(elsewhere, stock_settings())

    assert all(one.as_declared for one in status(scene.environment, stock_settings()))


def test_iam_allows_by_name_what_ministack_checks_against_everything(scene: Scene) -> None:
    policy = json.dumps(admin_policy(STOCKS, scene.names))

    def may(action: str, names: Names) -> str:
        resources = {
            "athena": names.arn("athena", f"workgroup/{names.workgroup}"),
            "glue": names.arn("glue", f"database/{names.database}"),
            "cloudwatch": names.arn("cloudwatch", f"alarm:{names.queue}-oldest-message"),
            "lambda": names.function_arn,
            "sns": names.topic_arn,
        }
        (answer,) = scene.root.iam.simulate_custom_policy(
            PolicyInputList=[policy],
            ActionNames=[action],
            ResourceArns=[resources[action.partition(":")[0]]],
        )["EvaluationResults"]
        return answer["EvalDecision"]

    assert {may(action, scene.names) for action in CHECKED_AGAINST_EVERYTHING} == {"allowed"}
    assert {may(action, scene.neighbour) for action in CHECKED_AGAINST_EVERYTHING} == {"implicitDeny"}


@pytest.mark.parametrize(
    "sid",
    ["Alarms", "Bucket", "Catalogue", "CreateMapping", "Function", "LogGroup", "Queues", "Role", "Topic", "Workgroup"],
)
def test_without_a_part_of_it_up_says_what_was_refused(enforced: Endpoint, environment: Environment, sid: str) -> None:
    policy = admin_policy(STOCKS, environment.names)
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Sid"] != sid]

    with pytest.raises((ClientError, CannotRunError), match=REFUSED):
        up(at(administrator(enforced, policy), environment.names), SETTINGS)
