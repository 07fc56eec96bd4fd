"""The function's role has what it needs and nothing else; each grain of its policy is there for a reason.

The function is really deployed and runs as its role. What ministack itself does without asking (polling the queue and
writing the log, which on AWS happen with the role's permissions too) is proven by making those calls as the role, or by
asking IAM.
"""

from typing import Any

import pytest

from bootstrap.resources.s3 import Bucket
from profiles.names import Names
from tests.support.enforced_iam import Scene, every_action, process, replaced, without
from tests.support.environments import STOCKS, role_permissions, stock_names
from tests.support.role_probes import PROBES

ALL = {"stored", "alerted", "suppressed"}
ALLOWED = {probe.name for probe in PROBES if probe.allowed}

# Each single action of the policy: which ticks the function can't process without it, and which calls are refused.
NEEDED_FOR: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    ("ReadTicks", "sqs:ReceiveMessage"): (set(), {"receive from the queue"}),
    ("ReadTicks", "sqs:DeleteMessage"): (set(), {"delete from the queue"}),
    ("ReadTicks", "sqs:GetQueueAttributes"): (set(), {"look at the queue"}),
    ("StoreRecords", "s3:PutObject"): (ALL, {"store a record"}),
    ("ClaimAlerts", "s3:PutObject"): ({"alerted", "suppressed"}, {"claim an alert"}),
    ("ClaimAlerts", "s3:GetObject"): ({"suppressed"}, {"read an alert's marker"}),
    ("PublishAlerts", "sns:Publish"): ({"alerted"}, {"publish an alert"}),
    ("WriteLogs", "logs:CreateLogStream"): (set(), {"open a log stream"}),
    ("WriteLogs", "logs:PutLogEvents"): (set(), {"write to the log"}),
}


def _wider(names: Names) -> dict[str, tuple[str, dict[str, Any], set[str]]]:
    """Ways to widen a statement: which one, its new fields, and what the role can then do that it must not."""
    bucket = Bucket(names, names.bucket).arn
    return {
        "any queue": (
            "ReadTicks",
            {"Resource": "*"},
            {
                *(f"{verb} the dead-letter queue" for verb in ("receive from", "look at", "delete from")),
                *(f"{verb} another queue" for verb in ("receive from", "look at", "delete from")),
                "receive from the inbox",
            },
        ),
        "queues of the same prefix": (
            "ReadTicks",
            {"Resource": f"{names.queue_arn}*"},
            {f"{verb} the dead-letter queue" for verb in ("receive from", "look at", "delete from")},
        ),
        "any action on the queue": ("ReadTicks", {"Action": "sqs:*"}, {"send to the queue"}),
        "records anywhere in the bucket": (
            "StoreRecords",
            {"Resource": f"{bucket}/*"},
            {"write a query result", "write beside the prefixes"},
        ),
        "records in any bucket": (
            "StoreRecords",
            {"Resource": "arn:aws:s3:::*/processed/*"},
            {"store a record in another bucket"},
        ),
        "any action on records": (
            "StoreRecords",
            {"Action": "s3:*"},
            {"read a record", "delete a record"},
        ),
        "markers anywhere in the bucket": (
            "ClaimAlerts",
            {"Resource": f"{bucket}/*"},
            {
                *("read a record", "read a query result", "write a query result"),
                *("read beside the prefixes", "write beside the prefixes"),
            },
        ),
        "markers in any bucket": (
            "ClaimAlerts",
            {"Resource": "arn:aws:s3:::*/alerts/*"},
            {"claim an alert in another bucket", "read a marker in another bucket"},
        ),
        "any action on markers": ("ClaimAlerts", {"Action": "s3:*"}, {"delete a marker"}),
        "the bucket itself": (
            "ClaimAlerts",
            {"Action": "s3:*", "Resource": bucket},
            {"list the bucket", "read the bucket's policy"},
        ),
        "any topic": ("PublishAlerts", {"Resource": "*"}, {"publish to another topic"}),
        "any action on the topic": ("PublishAlerts", {"Action": "sns:*"}, {"subscribe to the topic"}),
        "any log group": (
            "WriteLogs",
            {"Resource": "*"},
            {"open a log stream of another function", "write to another function's log"},
        ),
        "any action on logs": (
            "WriteLogs",
            {"Action": "logs:*", "Resource": "*"},
            {"make a log group", "read the log"},
        ),
    }


def _refused(scene: Scene) -> set[str]:
    return {probe.name for probe in PROBES if probe.allowed and not probe.passes(scene)}


def _wrongly_allowed(scene: Scene) -> set[str]:
    return {probe.name for probe in PROBES if not probe.allowed and probe.passes(scene)}


def test_the_function_processes_every_tick_with_exactly_our_policy(scene: Scene) -> None:
    assert process(scene) == set()


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_the_role_may_what_it_needs_and_nothing_else(scene: Scene, probe: Any) -> None:
    assert probe.passes(scene) is probe.allowed


@pytest.mark.parametrize(("sid", "action"), list(NEEDED_FOR), ids=":".join)
def test_without_any_one_action_something_breaks(scene: Scene, sid: str, action: str) -> None:
    ticks, calls = NEEDED_FOR[sid, action]

    scene.give(without(role_permissions(STOCKS, scene.names), sid, action))

    assert process(scene) == ticks
    assert _refused(scene) == calls


def test_every_action_of_the_policy_is_in_the_table_above() -> None:
    assert set(every_action(stock_names("000000000000"))) == set(NEEDED_FOR)


@pytest.mark.parametrize("change", list(_wider(stock_names("000000000000"))))
def test_widening_anything_is_noticed(scene: Scene, change: str) -> None:
    sid, fields, gained = _wider(scene.names)[change]

    scene.give(replaced(role_permissions(STOCKS, scene.names), sid, **fields))

    assert gained <= _wrongly_allowed(scene)


@pytest.mark.parametrize("sid", sorted({sid for sid, _ in NEEDED_FOR}))
def test_a_resource_of_another_environment_is_no_substitute(scene: Scene, sid: str) -> None:
    theirs = {
        statement["Sid"]: statement["Resource"] for statement in role_permissions(STOCKS, scene.neighbour)["Statement"]
    }

    scene.give(replaced(role_permissions(STOCKS, scene.names), sid, Resource=theirs[sid]))

    assert _refused(scene) == set().union(*(calls for key, (_, calls) in NEEDED_FOR.items() if key[0] == sid))
    assert process(scene) == set().union(*(ticks for key, (ticks, _) in NEEDED_FOR.items() if key[0] == sid))


def test_every_statement_can_be_widened_in_resource_and_in_action() -> None:
    names = stock_names("000000000000")
    ways = [(sid, field) for sid, fields, _ in _wider(names).values() for field in fields]
    for statement in role_permissions(STOCKS, names)["Statement"]:
        assert {(statement["Sid"], "Resource"), (statement["Sid"], "Action")} <= set(ways)
