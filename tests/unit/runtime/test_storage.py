"""Which records share an object, and what is in it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from runtime.alerts import Rule
from runtime.storage import Outcome, Received, Store
from tests.unit.runtime.fakes import FakeAws, bucket
from tests.unit.runtime.readings import READING, READINGS, Reading

SENT_MS = 1_767_623_400_500
SECOND = replace(READING, reading_id="r-2")
ELSEWHERE = replace(READING, reading_id="r-3", sensor="attic")
HOT = Rule[Reading, Any]("hot", lambda reading, _: reading.celsius > 30, lambda *_: "Hot")


def received(reading: Reading, *rules: Rule[Reading, Any], message: str = "m") -> Received[Reading]:
    return Received(message, SENT_MS, reading, rules)


def store(aws: FakeAws, layout: str) -> Store[Reading]:
    return Store(READINGS, bucket(aws), aws.time.clock, layout)


@pytest.mark.parametrize(
    ("layout", "objects"),
    [("record", [["m1", "m4"], ["m2"], ["m3"]]), ("batch", [["m1", "m2", "m4"], ["m3"]])],
)
def test_messages_are_grouped_by_their_object(layout: str, objects: list[list[str]]) -> None:
    readings = {"m1": READING, "m2": SECOND, "m3": ELSEWHERE, "m4": READING}

    groups = store(FakeAws(), layout).objects(received(one, message=name) for name, one in readings.items())

    assert [[item.message_id for item in group] for group in groups] == objects


def test_an_object_has_each_record_once_in_order_and_says_which_rules_apply() -> None:
    aws = FakeAws()
    early = replace(READING, reading_id="r-0", timestamp="2026-01-05T14:29:00Z")
    items = [received(SECOND, HOT), received(READING), received(READING, message="again"), received(early)]

    outcome = store(aws, "batch").put(items, "request-1", aws.time.deadline())

    assert outcome == Outcome((500, 500, 500), duplicates=1)
    [key] = aws.keys("readings/lyon/roof-2/")
    body, metadata = aws.objects[key]
    lines = [json.loads(line) for line in body.decode().splitlines()]
    assert [(line["reading_id"], line["alert"]) for line in lines] == [("r-0", False), ("r-1", False), ("r-2", True)]
    assert metadata == {"request-id": "request-1"}


@pytest.mark.parametrize("layout", ["record", "batch"])
def test_an_object_that_is_there_makes_its_messages_duplicates(layout: str) -> None:
    aws = FakeAws()
    put = store(aws, layout).put
    put([received(READING)], "request-1", aws.time.deadline())

    assert put([received(READING), received(READING)], "request-2", aws.time.deadline()) == Outcome((), 2)
    assert len(aws.objects) == 1
