from typing import Any

import pytest

from bootstrap.resources.iam import TRUST
from operations.doctor.permissions import lambda_may_assume, not_allowed
from tests.support.environments import STOCKS, role_permissions, stock_names

NAMES = stock_names("123456789012")
DECLARED = role_permissions(STOCKS, NAMES)
STORE = f"s3:PutObject on arn:aws:s3:::{NAMES.bucket}/processed/*"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def without(sid: str) -> dict[str, Any]:
    return document(*(one for one in DECLARED["Statement"] if one["Sid"] != sid))


def test_the_declared_policy_allows_itself() -> None:
    assert not_allowed(DECLARED, [DECLARED]) == []


def test_nothing_allows_nothing() -> None:
    missing = not_allowed(DECLARED, [{}])
    assert missing[0] == f"sqs:ReceiveMessage on {NAMES.queue_arn}"
    assert len(missing) == 9


def test_what_is_missing_is_named() -> None:
    assert not_allowed(DECLARED, [without("StoreRecords")]) == [STORE]


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Allow", "Action": ["s3:put*"], "Resource": [f"arn:aws:s3:::{NAMES.bucket}/*"]},
        {"Effect": "Allow", "Action": "S3:PutObject", "Resource": "arn:aws:s3:::*/processed/*"},
    ],
)
def test_another_policy_may_allow_it_by_wildcards(statement: dict[str, Any]) -> None:
    assert not_allowed(DECLARED, [without("StoreRecords"), document(statement)]) == []


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{NAMES.bucket}/processed/A*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
        {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ],
)
def test_what_is_narrower_or_not_certain_does_not_count(statement: dict[str, Any]) -> None:
    assert not_allowed(DECLARED, [without("StoreRecords"), document(statement)]) == [STORE]


def test_a_denial_wins() -> None:
    denial = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
    alerts = f"s3:PutObject on arn:aws:s3:::{NAMES.bucket}/alerts/*"
    assert not_allowed(DECLARED, [DECLARED, {"Statement": denial}]) == [STORE, alerts]


def test_who_may_assume_the_role() -> None:
    assert lambda_may_assume(TRUST)
    trust = TRUST["Statement"][0]
    assert lambda_may_assume(
        {"Statement": {**trust, "Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}}}
    )
    assert not lambda_may_assume({"Statement": {**trust, "Principal": {"Service": "ec2.amazonaws.com"}}})
    assert not lambda_may_assume({"Statement": {**trust, "Effect": "Deny"}})
    assert not lambda_may_assume({})
