"""What ministack lets exist twice (and AWS refuses, or shows for a moment) is found, shown and removed but for one."""

import itertools
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from bootstrap import down, plan, plan_removal, status, up
from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.model import Live, Verb
from bootstrap.resource import environment_tags
from profiles.names import Names
from profiles.session import Aws, open_endpoint
from tests.support.aws_calls import Answer, Recorder, acceptance, record, refusal
from tests.support.environments import STOCKS, at, stock_names, stock_settings
from tests.support.sandboxes import Sandbox

NAMES = stock_names("123456789012")
MAPPING = "event source mapping StockQueue → StockProcessor"
INBOX = "subscription StockAlerts → sqs:StockAlertsInbox"
ALL_ORDERS = list(itertools.permutations(["a", "b", "c"]))


def uuids(aws: Aws, names: Names) -> list[str]:
    found = aws.lambda_.list_event_source_mappings(FunctionName=names.function)["EventSourceMappings"]
    return sorted(mapping["UUID"] for mapping in found)


def make_another_mapping(sandbox: Sandbox, **tags: str) -> str:
    names = sandbox.names
    made = sandbox.aws.lambda_.create_event_source_mapping(
        FunctionName=names.function, EventSourceArn=names.queue_arn, Tags=tags or environment_tags(sandbox.names)
    )
    return made["UUID"]


def test_two_up_at_once_and_then_two_again_end_with_one_mapping(sandbox: Sandbox) -> None:
    # given two `up` that both found no mapping, and so made two
    names, settings = sandbox.names, sandbox.settings
    clients = [open_endpoint(str(sandbox.aws.profile.endpoint_url)) for _ in range(2)]
    together = threading.Barrier(2, timeout=60)

    def meet(operation: str, _: Mapping[str, Any]) -> None:
        if operation == "CreateEventSourceMapping":
            together.wait()

    recorders = [record(aws) for aws in clients]
    for recorder in recorders:
        recorder.intercept = meet
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda aws: up(at(aws, names), settings), clients))
    first, second = uuids(sandbox.aws, names)

    # then `plan` and `status` show the one that is too many
    (change,) = plan(sandbox.environment, settings).changes
    assert (change.verb, change.resource) == (Verb.DELETE, f"duplicate event source mapping {second}")
    (drifted,) = [one for one in status(sandbox.environment, settings) if not one.as_declared]
    assert [found.attribute for found in drifted.drift] == ["Duplicates"]

    # when two `up` at once meet it, then the same one is left by both
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda aws: up(at(aws, names), settings), clients))
    assert uuids(sandbox.aws, names) == [first]
    assert plan(sandbox.environment, settings).changes == ()


def test_the_one_that_is_kept_gets_the_declared_settings(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    make_another_mapping(sandbox)
    kept = uuids(sandbox.aws, sandbox.names)[0]
    sandbox.aws.lambda_.update_event_source_mapping(UUID=kept, BatchSize=3)

    up(sandbox.environment, sandbox.settings)

    (mapping,) = sandbox.aws.lambda_.list_event_source_mappings(FunctionName=sandbox.names.function)[
        "EventSourceMappings"
    ]
    assert (mapping["UUID"], mapping["BatchSize"]) == (kept, 10)


def test_down_removes_duplicates_too(sandbox: Sandbox) -> None:
    up(sandbox.environment, sandbox.settings)
    make_another_mapping(sandbox)
    planned = [action.resource for action in plan_removal(sandbox.environment, sandbox.settings).actions]

    down(sandbox.environment, sandbox.settings)

    assert len([resource for resource in planned if "event source mapping" in resource]) == 2
    assert uuids(sandbox.aws, sandbox.names) == []


@cache
def _nowhere() -> tuple[Aws, Recorder]:
    aws = open_endpoint("http://127.0.0.1:9")
    return aws, record(aws)


def _read(resource: str, intercept: Any) -> Live:
    settings = stock_settings(alert_email="alerts@example.com")
    declared = declare(STOCKS, NAMES, settings, FunctionZip(b"zip", "sha"))
    (wanted,) = [one for one in declared if one.id == resource]
    aws, recorder = _nowhere()
    recorder.intercept = intercept
    found = wanted.read(aws)
    assert isinstance(found, Live)
    return found


def _mappings(*found: tuple[str, str], gone: str = "") -> Any:
    listed = acceptance(EventSourceMappings=[{"UUID": uuid, "State": state} for uuid, state in found])

    def intercept(operation: str, parameters: Mapping[str, Any]) -> Answer:
        if operation == "ListEventSourceMappings":
            return listed
        if gone and parameters["Resource"].endswith(gone):
            return refusal("ResourceNotFoundException", "gone", 404)
        return acceptance(Tags=environment_tags(NAMES))

    return intercept


def _suffixes(live: Live) -> list[str]:
    return [one.arn.rpartition(":")[2] for one in (live, *live.duplicates)]


@pytest.mark.parametrize("order", ALL_ORDERS)
@pytest.mark.parametrize("states", [("Enabled", "Creating"), ("Disabled", "Enabled"), ("Creating", "Creating")])
def test_which_mapping_is_kept_depends_on_nothing_that_changes(order: tuple[str, ...], states: tuple[str, ...]) -> None:
    found = _read(MAPPING, _mappings(*zip(order, ("Enabled", *states), strict=True)))

    assert _suffixes(found) == ["a", "b", "c"]


def test_a_mapping_that_is_being_deleted_is_neither_kept_nor_a_duplicate() -> None:
    found = _read(MAPPING, _mappings(("a", "Deleting"), ("b", "Enabled"), ("c", "Deleting")))

    assert _suffixes(found) == ["b"]
    assert _read(MAPPING, _mappings(("a", "Deleting"))).state == "Deleting"


def test_a_duplicate_that_goes_while_it_is_read_does_not_hide_the_one_that_stays() -> None:
    found = _read(MAPPING, _mappings(("a", "Enabled"), ("b", "Enabled"), gone="b"))

    assert _suffixes(found) == ["a"]


@pytest.mark.parametrize("order", ALL_ORDERS)
def test_a_subscription_that_is_there_twice_is_kept_once(order: tuple[str, ...]) -> None:
    arns = [f"{NAMES.topic_arn}:{last}" for last in order]
    same = {"Protocol": "sqs", "Endpoint": NAMES.inbox_queue_arn}
    listed = acceptance(Subscriptions=[{"SubscriptionArn": arn, **same} for arn in arns])
    attributes = acceptance(Attributes={"RawMessageDelivery": "false"})

    found = _read(INBOX, lambda called, _: listed if called == "ListSubscriptionsByTopic" else attributes)

    assert _suffixes(found) == ["a", "b", "c"]


def test_an_email_address_that_is_confirmed_and_pending_is_confirmed() -> None:
    same = {"Protocol": "email", "Endpoint": "alerts@example.com"}
    arns = ["PendingConfirmation", f"{NAMES.topic_arn}:a", "PendingConfirmation"]
    listed = acceptance(Subscriptions=[{"SubscriptionArn": arn, **same} for arn in arns])

    found = _read("subscription StockAlerts → email:alerts@example.com", lambda *_: listed)

    assert (found.state, found.duplicates) == ("confirmed", ())
