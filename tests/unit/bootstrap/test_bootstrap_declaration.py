"""What a pipeline declares, and what follows from the references between its resources."""

from dataclasses import replace
from typing import Any

import pytest

from bootstrap.admin_policy import admin_policy
from bootstrap.cloudformation import template
from bootstrap.declaration import declare
from bootstrap.deployment import plan_from_scratch
from bootstrap.function_zip import FunctionZip
from bootstrap.planner import plan_up
from bootstrap.resource import Resource
from bootstrap.resources.event_source_mapping import EventSourceMapping
from bootstrap.resources.iam import Role
from bootstrap.resources.lambda_function import Function
from bootstrap.resources.logs import LogGroup
from bootstrap.resources.sns import Subscription, Topic
from bootstrap.resources.sqs import Queue
from bootstrap.rules import InvalidDeclarationError
from profiles.errors import CannotRunError
from tests.support.environments import STOCKS, stock_names, stock_settings

NAMES, ZIP = stock_names("123456789012"), FunctionZip(b"zip", "sha")
RESOURCES = declare(STOCKS, NAMES, stock_settings(alert_email="a@example.com"), ZIP)


def test_every_resource_comes_after_those_it_needs() -> None:
    seen: set[str] = set()
    for action in plan_up(RESOURCES, dict.fromkeys((one.id for one in RESOURCES), None), "default").actions:
        assert set(action.after) <= seen
        seen.add(action.resource)


def test_records_flow_only_when_everything_else_is_there() -> None:
    (mapping,) = (one for one in RESOURCES if isinstance(one, EventSourceMapping))

    assert set(mapping.after) == {one.id for one in RESOURCES} - {mapping.id}


def _declares(monkeypatch: pytest.MonkeyPatch, *resources: Resource) -> None:
    monkeypatch.setattr(STOCKS.module("declaration"), "declare", lambda *_: resources)


def test_what_is_declared_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _declares(monkeypatch, Queue(NAMES, "Orders"), Queue(NAMES, "Orders", keep_days=1))

    with pytest.raises(CannotRunError, match=r"declaration\.py declares queue Orders twice"):
        declare(STOCKS, NAMES, stock_settings(), ZIP)


def test_what_is_referred_to_but_not_declared_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    dead_letters = Queue(NAMES, "Orders-dlq")
    _declares(monkeypatch, Queue(NAMES, "Orders", dead_letters=dead_letters))

    with pytest.raises(CannotRunError, match="queue Orders needs queue Orders-dlq: declare it too"):
        declare(STOCKS, NAMES, stock_settings(), ZIP)


@pytest.mark.parametrize(("raw", "expected"), [(False, "false"), (True, "true")])
def test_a_subscribed_queue_gets_the_envelope_unless_it_is_to_be_raw(raw: bool, expected: str) -> None:
    alerts = Topic(NAMES, "Alerts")
    archive = Queue(NAMES, "Archive", receives_from=alerts)

    subscription = Subscription(alerts, archive, raw=raw)

    assert subscription.declared() == {"RawMessageDelivery": expected}
    assert subscription.template()["AWS::SNS::Subscription"]["RawMessageDelivery"] is raw
    assert archive.declared()["Policy"]["Statement"][0]["Resource"] == archive.arn


@pytest.fixture
def second_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stock-tick pipeline with another function that has a queue of its own."""
    orders = Queue(NAMES, "Orders", visibility_seconds=60)
    log_group = LogGroup(NAMES, "/aws/lambda/Clerk", 14)
    role = Role(NAMES, "ClerkRole", "ClerkPolicy", (orders.consuming("ReadOrders"), log_group.writing("WriteLogs")))
    clerk = Function(NAMES, "Clerk", ZIP, "process_orders.lambda_handler", role, log_group, 10, 128, {"TILL": "1"})
    _declares(monkeypatch, *RESOURCES, orders, log_group, role, clerk, EventSourceMapping(orders, clerk))


@pytest.mark.usefixtures("second_function")
def test_a_second_function_with_its_own_queue_takes_only_lines_in_the_declaration() -> None:
    plan = plan_from_scratch(STOCKS, NAMES, stock_settings())

    mappings = [action for action in plan.actions if action.resource.startswith("event source mapping")]
    assert [action.resource.removeprefix("event source mapping ") for action in mappings] == [
        "StockQueue → StockProcessor",
        "Orders → Clerk",
    ]
    assert all("function Clerk" in action.after and "queue Orders" in action.after for action in mappings)
    assert template(STOCKS, NAMES, stock_settings(), ZIP)["Resources"]["FunctionClerk"]


@pytest.mark.usefixtures("second_function")
def test_whoever_runs_bootstrap_may_make_a_second_function_too() -> None:
    statements = {one["Sid"]: one for one in admin_policy(STOCKS, NAMES)["Statement"]}
    functions = [NAMES.function_arn, NAMES.arn("lambda", "function:Clerk")]

    assert statements["Function"]["Resource"] == functions
    assert statements["Mapping"]["Condition"] == {"ArnEqualsIfExists": {"lambda:FunctionArn": functions}}
    assert NAMES.arn("iam", "role/ClerkRole", regional=False) in statements["PassRole"]["Resource"]


@pytest.mark.usefixtures("second_function")
def test_the_rules_hold_for_a_second_function_too(monkeypatch: pytest.MonkeyPatch) -> None:
    *others, mapping = declare(STOCKS, NAMES, stock_settings(), ZIP)
    assert isinstance(mapping, EventSourceMapping)
    slow: Any = replace(mapping, function=replace(mapping.function, timeout_seconds=11))
    _declares(monkeypatch, *others[:-1], slow.function, slow)

    with pytest.raises(InvalidDeclarationError, match=r"6 x function timeout .* = 66 s; it is 60 s"):
        plan_from_scratch(STOCKS, NAMES, stock_settings())
