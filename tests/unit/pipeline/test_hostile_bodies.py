"""Every hostile body at every position of a batch of ten: nine neighbours are stored, it fails with its reason."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from operations.deadletters import reason_of
from pipeline.contract import CONTRACT
from runtime.batch import BatchResult
from tests.support.hostile_bodies import ODD, REJECTED, Body, tick
from tests.unit.runtime.fakes import FakeAws, stock_processor

BATCH = 10


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


def process(aws: FakeAws, pool: ThreadPoolExecutor, bodies: list[str]) -> BatchResult:
    records = [
        {"messageId": f"m{number}", "body": body, "attributes": {"SentTimestamp": "1767623400500"}}
        for number, body in enumerate(bodies)
    ]
    return stock_processor(aws, pool).process({"Records": records}, request_id="r-1", deadline=aws.time.deadline())


def batch_with(body: Body, position: int) -> list[str]:
    bodies = [tick(tick_id=f"good-{number}", symbol="GOOD") for number in range(BATCH)]
    bodies[position] = body.text
    return bodies


@pytest.mark.parametrize("body", REJECTED, ids=lambda body: body.name)
def test_a_hostile_body_fails_alone_with_its_reason(body: Body, pool: ThreadPoolExecutor) -> None:
    for position in range(BATCH):
        # given nine good ticks and the body
        aws = FakeAws()

        # when they are one batch
        result = process(aws, pool, batch_with(body, position))

        # then the nine are stored, and the body fails for ever
        assert len(aws.keys("processed/GOOD/")) == BATCH - 1
        assert aws.keys("") == aws.keys("processed/GOOD/")
        assert result.response() == {"batchItemFailures": [{"itemIdentifier": f"m{position}"}]}
        [failure] = result.failures
        assert failure.rejected
        assert failure.reason.startswith(body.reason)
        # and what is shown of it is printable, and short
        assert failure.reason.isascii()
        assert (failure.reason + failure.body).isprintable()
        assert len(failure.reason) < 200
        assert json.loads(json.dumps(failure.reason)) == failure.reason


@pytest.mark.parametrize("body", REJECTED, ids=lambda body: body.name)
def test_the_dead_letter_s_reason_is_the_one_of_the_function(body: Body) -> None:
    message: Any = {"MessageId": "m", "Body": body.text, "Attributes": {"SentTimestamp": "1767623400500"}}

    assert reason_of(CONTRACT, message).startswith(body.reason)


@pytest.mark.parametrize("body", ODD, ids=lambda body: body.name)
def test_an_odd_but_valid_tick_is_stored_with_its_neighbours(body: Body, pool: ThreadPoolExecutor) -> None:
    for position in range(BATCH):
        aws = FakeAws()

        result = process(aws, pool, batch_with(body, position))

        assert result.failures == []
        assert len(aws.keys("processed/GOOD/")) == BATCH - 1
        assert len(aws.keys("processed/")) == BATCH
