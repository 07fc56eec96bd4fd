"""Plans are made from values only: what is declared and what is live."""

import dataclasses
from typing import Any

import pytest

from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.model import Action, Call, Live, Plan, Unavailable, Verb
from bootstrap.planner import NotOursError, plan_down, plan_up
from bootstrap.resource import Resource
from tests.support.environments import STOCKS, stock_names, stock_settings

NAMES, ZIP = stock_names("123456789012"), FunctionZip(b"zip", "sha")
RESOURCES = declare(STOCKS, NAMES, stock_settings(), ZIP)
EMPTY: dict[str, Live | Unavailable | None] = {resource.id: None for resource in RESOURCES}
FUNCTION = "function StockProcessor"
MAPPING = "event source mapping StockQueue → StockProcessor"
ROLE = "role StockPipelineLambdaRole"
BUCKET = "bucket stock-data-123456789012-us-east-2"


def _as_declared(resource: Resource, **changed: Any) -> Live:
    notes = {"inline": ["StockPipelineLambdaPolicy"], "tags": {}}
    return Live("arn", "Active", {**resource.declared(), **changed}, "default", {"QueueUrl": "url", "UUID": "u"}, notes)


def _complete() -> dict[str, Live | Unavailable | None]:
    return {resource.id: _as_declared(resource) for resource in RESOURCES}


def _resource(identity: str) -> Resource:
    return next(resource for resource in RESOURCES if resource.id == identity)


def _up(snapshot: dict[str, Live | Unavailable | None]) -> Plan:
    return plan_up(RESOURCES, snapshot, "default")


def _operations(action: Action) -> list[str]:
    return [step.operation for step in action.steps if isinstance(step, Call)]


def test_everything_is_created_where_nothing_is() -> None:
    assert {action.verb for action in _up(EMPTY).actions} == {Verb.CREATE}


def test_nothing_is_done_where_everything_is_as_declared() -> None:
    plan = _up(_complete())

    assert plan.changes == ()
    assert all(action.steps == () for action in plan.actions)


def test_a_changed_threshold_is_one_update_of_the_function() -> None:
    resources = declare(STOCKS, NAMES, stock_settings(alert_threshold=900.0), ZIP)

    (action,) = plan_up(resources, _complete(), "default").changes

    assert (action.verb, action.resource) == (Verb.UPDATE, FUNCTION)
    assert _operations(action) == ["UpdateFunctionConfiguration"]
    (difference,) = action.differences
    assert difference.live["Variables"]["ALERT_THRESHOLD"] == "1200"
    assert difference.declared["Variables"]["ALERT_THRESHOLD"] == "900"


@pytest.mark.parametrize(
    ("identity", "attribute", "live", "operations"),
    [
        ("queue StockQueue", "VisibilityTimeout", "30", ["SetQueueAttributes"]),
        ("queue StockQueue", "Tags", {}, ["TagQueue"]),
        ("topic StockAlerts", "Tags", {}, ["TagResource"]),
        (
            "subscription StockAlerts → sqs:StockAlertsInbox",
            "RawMessageDelivery",
            "true",
            ["SetSubscriptionAttributes"],
        ),
        (BUCKET, "Policy", None, ["PutBucketPolicy"]),
        (BUCKET, "PublicAccessBlock", None, ["PutPublicAccessBlock"]),
        (BUCKET, "ObjectOwnership", "ObjectWriter", ["PutBucketOwnershipControls"]),
        (BUCKET, "Encryption", "aws:kms", ["PutBucketEncryption"]),
        (BUCKET, "Tags", {}, ["PutBucketTagging"]),
        (ROLE, "PolicyDocument", None, ["PutRolePolicy"]),
        (ROLE, "AssumeRolePolicyDocument", {}, ["UpdateAssumeRolePolicy"]),
        (ROLE, "OtherPolicies", ["more", "arn:aws:iam::aws:policy/X"], ["DeleteRolePolicy", "DetachRolePolicy"]),
        ("log group /aws/lambda/StockProcessor", "retentionInDays", None, ["PutRetentionPolicy"]),
        ("workgroup stock", "BytesScannedCutoffPerQuery", None, ["UpdateWorkGroup"]),
        ("workgroup stock", "State", "DISABLED", ["UpdateWorkGroup"]),
        ("workgroup stock", "Tags", {}, ["TagResource"]),
        ("database stock_data", "Parameters", {}, ["UpdateDatabase"]),
        ("table stock_data.records", "Columns", [], ["UpdateTable"]),
        ("table stock_data.ticks", "Location", "s3://elsewhere/", ["UpdateTable"]),
        (FUNCTION, "CodeSha256", "other", ["UpdateFunctionCode"]),
        (FUNCTION, "State", "Pending", []),
        (MAPPING, "BatchSize", 5, ["UpdateEventSourceMapping"]),
        (MAPPING, "Enabled", False, ["UpdateEventSourceMapping"]),
        (MAPPING, "State", "Creating", []),
    ],
)
def test_one_difference_is_one_update(identity: str, attribute: str, live: Any, operations: list[str]) -> None:
    snapshot = {**_complete(), identity: _as_declared(_resource(identity), **{attribute: live})}

    (action,) = _up(snapshot).changes

    assert (action.verb, action.resource) == (Verb.UPDATE, identity)
    assert _operations(action) == operations


def test_what_compaction_and_others_set_on_a_table_survives_its_update() -> None:
    ticks = "table stock_data.ticks"
    set_by_others = {"projection.day.range": "2026-01-05,2026-01-09", "projection.enabled": "false", "team": "a"}
    live = dataclasses.replace(
        _as_declared(_resource(ticks), Parameters={"projection.enabled": "false"}), notes={"parameters": set_by_others}
    )

    (action,) = _up({**_complete(), ticks: live}).changes

    (call,) = (step for step in action.steps if isinstance(step, Call))
    parameters = call.parameters["TableInput"]["Parameters"]
    assert parameters["projection.day.range"] == "2026-01-05,2026-01-09"
    assert parameters["projection.enabled"] == "true"
    assert parameters["team"] == "a"


def test_what_the_endpoint_cannot_have_is_skipped_and_stops_nothing_else() -> None:
    cannot = {one.id: Unavailable("no Athena") for one in RESOURCES if one.kind in ("workgroup", "database", "table")}
    skipped = dict.fromkeys(cannot, "no Athena")

    nothing_else, everything_else = _up({**_complete(), **cannot}), _up({**EMPTY, **cannot})
    removal = plan_down(RESOURCES, {**_complete(), **cannot}, "default")

    assert len(cannot) == 5
    assert (nothing_else.changes, nothing_else.skipped) == ((), skipped)
    assert len(everything_else.changes) == len(RESOURCES) - len(cannot)
    assert everything_else.skipped == skipped
    assert not {*cannot} & {action.resource for action in removal.actions}
    assert removal.left == {}


def test_tags_of_others_survive_when_a_bucket_gets_ours() -> None:
    bucket = _resource(BUCKET)
    live = dataclasses.replace(_as_declared(bucket, Tags={}), owner=None, notes={"tags": {"team": "a"}}, adoptable=True)

    (action,) = _up({**_complete(), BUCKET: live}).changes

    (call,) = (step for step in action.steps if isinstance(step, Call))
    assert call.parameters["Tagging"]["TagSet"] == [
        {"Key": "team", "Value": "a"},
        {"Key": "stockpipe:environment", "Value": "default"},
    ]


@pytest.mark.parametrize(
    ("identity", "changed", "state"),
    [
        (FUNCTION, {"State": "Failed"}, "Failed"),
        (FUNCTION, {"PackageType": "Image"}, "Active"),
        (MAPPING, {"State": "Deleting", "Enabled": False}, "Deleting"),
        (ROLE, {"Path": "/other/"}, "active"),
    ],
)
def test_what_aws_cannot_change_is_replaced(identity: str, changed: dict[str, Any], state: str) -> None:
    live = dataclasses.replace(_as_declared(_resource(identity), **changed), state=state)

    actions = {action.resource: action for action in _up({**_complete(), identity: live}).changes}

    assert actions[identity].verb is Verb.REPLACE
    assert _operations(actions[identity])[-1].startswith(("Create", "Put"))


def test_a_role_made_anew_is_given_to_the_function_again() -> None:
    actions = {action.resource: action for action in _up({**_complete(), ROLE: None}).changes}

    assert actions[ROLE].verb is Verb.CREATE
    assert _operations(actions[FUNCTION]) == ["UpdateFunctionConfiguration"]
    assert ROLE in actions[FUNCTION].after


def _with_duplicates(identity: str, *owners: str | None) -> dict[str, Live | Unavailable | None]:
    """Everything as declared, and further live resources for one of the declared ones: `arn:1`, `arn:2` …"""
    live = _as_declared(_resource(identity))
    duplicates = tuple(
        dataclasses.replace(live, arn=f"arn:{number}", owner=owner, outputs={"UUID": str(number)})
        for number, owner in enumerate(owners, start=1)
    )
    return {**_complete(), identity: dataclasses.replace(live, duplicates=duplicates)}


def test_duplicates_are_removed_one_by_one_and_the_first_is_kept() -> None:
    changes = _up(_with_duplicates(MAPPING, "default", "default")).changes

    assert [(one.verb, one.resource) for one in changes] == [
        (Verb.DELETE, "duplicate event source mapping 1"),
        (Verb.DELETE, "duplicate event source mapping 2"),
    ]
    assert [step.parameters for one in changes for step in one.steps if isinstance(step, Call)] == [
        {"UUID": "1"},
        {"UUID": "2"},
    ]


@pytest.mark.parametrize("owner", ["alice", None])
def test_a_duplicate_that_stockpipe_did_not_make_is_refused_by_up_and_left_by_down(owner: str | None) -> None:
    snapshot = _with_duplicates(MAPPING, owner)

    with pytest.raises(NotOursError, match=MAPPING):
        _up(snapshot)
    assert list(plan_down(RESOURCES, snapshot, "default").left) == ["duplicate event source mapping 1"]


def test_what_a_duplicate_needs_is_removed_after_it() -> None:
    actions = {
        one.resource: one for one in plan_down(RESOURCES, _with_duplicates(MAPPING, "default"), "default").actions
    }

    assert {MAPPING, "duplicate event source mapping 1"} <= set(actions[FUNCTION].after)


def test_a_bucket_of_another_environment_is_refused() -> None:
    live = dataclasses.replace(_as_declared(_resource(BUCKET)), owner="alice")

    with pytest.raises(NotOursError, match=r"belongs to the environment 'alice'.*--prefix or --bucket"):
        _up({**EMPTY, BUCKET: live})


def test_a_bucket_with_data_that_stockpipe_did_not_make_is_refused() -> None:
    live = dataclasses.replace(_as_declared(_resource(BUCKET)), owner=None, notes={"tags": {}})

    with pytest.raises(NotOursError, match="is there and wasn't made by stockpipe"):
        _up({**EMPTY, BUCKET: live})


@pytest.mark.parametrize(
    "resource", ["queue StockQueue", "topic StockAlerts", "workgroup stock", "database stock_data"]
)
def test_what_stockpipe_did_not_make_is_not_taken_over(resource: str) -> None:
    live = dataclasses.replace(_as_declared(_resource(resource)), owner=None)

    with pytest.raises(NotOursError, match=f"{resource} is there and wasn't made by stockpipe"):
        _up({**EMPTY, resource: live})


def test_removal_starts_with_the_mapping_and_ends_with_what_others_need() -> None:
    order = [action.resource for action in plan_down(RESOURCES, _complete(), "default").actions]

    assert order[0] == MAPPING
    for first, second in [
        ("queue StockQueue", "queue StockQueue-dlq"),
        (FUNCTION, ROLE),
        (FUNCTION, "log group /aws/lambda/StockProcessor"),
    ]:
        assert order.index(first) < order.index(second)


def test_every_removal_waits_for_those_that_need_it() -> None:
    actions = {action.resource: action for action in plan_down(RESOURCES, _complete(), "default").actions}

    assert actions[MAPPING].after == ()
    touched_by_ticks = {name: action for name, action in actions.items() if not name.startswith((MAPPING, "alarm"))}
    assert all(MAPPING in action.after for action in touched_by_ticks.values())
    assert FUNCTION in actions[ROLE].after


def test_nothing_is_removed_where_nothing_is() -> None:
    assert plan_down(RESOURCES, EMPTY, "default").actions == ()


def test_what_stockpipe_did_not_make_is_left() -> None:
    snapshot = _complete()
    snapshot[BUCKET] = dataclasses.replace(_as_declared(_resource(BUCKET)), owner=None)
    snapshot["topic StockAlerts"] = dataclasses.replace(_as_declared(_resource("topic StockAlerts")), owner="alice")

    plan = plan_down(RESOURCES, snapshot, "default")

    assert set(plan.left) == {BUCKET, "topic StockAlerts", "subscription StockAlerts → sqs:StockAlertsInbox"}
    assert not set(plan.left) & {action.resource for action in plan.actions}


def test_the_bucket_stays_with_keep() -> None:
    plan = plan_down(RESOURCES, _complete(), "default", keep=frozenset({"bucket"}))

    assert dict(plan.left) == {BUCKET: "kept, as asked"}
    assert BUCKET not in {action.resource for action in plan.actions}
