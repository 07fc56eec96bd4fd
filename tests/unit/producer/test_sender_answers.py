"""What counts as sent: only what an answer says beyond doubt."""

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contract import CONTRACT
from pipeline.source import Market
from producer.manifest import sent_ids
from producer.production import Production, simulated
from producer.sender import Verdict, read_answer
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import open_endpoint
from tests.support.environments import at, stock_names
from tests.support.sqs_stand_in import Entries, SqsStandIn, accepted

MARKET = Market(7, datetime(2026, 1, 5, 14, 30, tzinfo=UTC))
BODY = "body"
MD5 = hashlib.md5(BODY.encode(), usedforsecurity=False).hexdigest()
GOOD = {"Id": "0", "MessageId": "m", "MD5OfMessageBody": MD5}
BAD = {"Id": "0", "Code": "InternalError", "SenderFault": False, "Message": "later"}
UNSETTLED = Verdict()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"Successful": [GOOD]}, Verdict("m")),
        ({"Successful": [GOOD, {"Id": "7", "MessageId": "other"}]}, Verdict("m")),
        ({"Failed": [BAD]}, Verdict(code="InternalError", message="later")),
        ({"Failed": [{**BAD, "SenderFault": True}]}, Verdict(None, "InternalError", "later", sender_fault=True)),
        ({"Failed": [{"Id": "0"}]}, Verdict(code="Unknown", message="")),
        ({"Failed": [{"Id": "0", "Code": "A\nB", "SenderFault": "yes"}]}, Verdict(code="A B", message="")),
        ({}, UNSETTLED),
        ({"Successful": [], "Failed": []}, UNSETTLED),
        ({"Successful": None, "Failed": None}, UNSETTLED),
        ({"Successful": "0", "Failed": 0}, UNSETTLED),
        ({"Successful": [None, "0", 0, []]}, UNSETTLED),
        ({"Successful": [{**GOOD, "Id": "1"}]}, UNSETTLED),
        ({"Successful": [{**GOOD, "Id": "-1"}]}, UNSETTLED),
        ({"Successful": [{**GOOD, "Id": 0}]}, UNSETTLED),
        ({"Successful": [{"MessageId": "m", "MD5OfMessageBody": MD5}]}, UNSETTLED),
        ({"Successful": [GOOD, GOOD]}, UNSETTLED),
        ({"Successful": [GOOD], "Failed": [BAD]}, UNSETTLED),
        ({"Successful": [GOOD], "Failed": [{**BAD, "SenderFault": True}]}, UNSETTLED),
        ({"Failed": [BAD, BAD]}, UNSETTLED),
        ([], UNSETTLED),
        (None, UNSETTLED),
        ("<html>", UNSETTLED),
    ],
)
def test_an_entry_is_sent_only_if_the_answer_says_so_once(answer: Any, verdict: Verdict) -> None:
    assert read_answer(answer, {"0": BODY}) == {"0": verdict}


@pytest.mark.parametrize("message_id", [None, "", 7, "m" * 101, "a\nb", "\0", "\ud800"])
def test_an_entry_without_a_message_id_is_not_sent(message_id: Any) -> None:
    (verdict,) = read_answer({"Successful": [{**GOOD, "MessageId": message_id}]}, {"0": BODY}).values()
    assert verdict == Verdict(message="the answer has no message id for this entry")


@pytest.mark.parametrize("md5", [None, "", "0" * 32, MD5.upper(), 7])
def test_an_entry_whose_body_arrived_as_another_is_not_sent(md5: Any) -> None:
    """As for AWS's SDK for Java. It also finds a stale answer to another batch, whose Ids are the same."""
    (verdict,) = read_answer({"Successful": [{**GOOD, "MD5OfMessageBody": md5}]}, {"0": BODY}).values()
    assert verdict == Verdict(message="the answer has the MD5 of another message body")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["0", "Id", MD5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Successful", "Failed", "Id", "MessageId", "MD5OfMessageBody", "Code", "SenderFault"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=50)
@given(_json)
def test_any_answer_gives_every_entry_one_verdict(answer: Any) -> None:
    verdicts = read_answer(answer, {"0": BODY, "1": BODY})
    assert list(verdicts) == ["0", "1"]


MALFORMED: dict[str, Any] = {
    "empty object": b"{}",
    "empty body": b"",
    "proxy's page": b"<html><body>It works!</body></html>",
    "not UTF-8": b"\xff\xfe{",
    "too deep": b"[" * 100_000,
    "array": b"[]",
    "null": b"null",
    "other types": b'{"Successful": {"a": 1}}',
    "null entries": b'{"Successful": [null]}',
    "truncated": lambda good: good[: len(good) // 2],
    "failed without a fault": b'{"Failed": [{"Id": "0"}, {"Id": "1"}]}',
    "ids of another batch": lambda good: good.replace(b'"Id": "', b'"Id": "9'),
    "one entry missing": lambda good: json.dumps({"Successful": json.loads(good)["Successful"][1:]}).encode(),
    "all entries twice": lambda good: json.dumps({"Successful": json.loads(good)["Successful"] * 2}).encode(),
    "ids swapped": lambda good: (
        good.replace(b'"Id": "0"', b'"Id": "x"').replace(b'"Id": "1"', b'"Id": "0"').replace(b'"Id": "x"', b'"Id": "1"')
    ),
}


def malformed(kind: str, entries: Entries) -> bytes:
    good = json.dumps(accepted(entries)).encode()
    made = MALFORMED[kind]
    return made(good) if callable(made) else made  # type: ignore[no-any-return]


def market_ids(count: int) -> list[str]:
    return [tick.tick_id for tick in islice(MARKET.records(), count)]


def test_no_tick_vanishes_whatever_is_answered_first(tmp_path: Path) -> None:
    # given a server whose first answers are each malformed in another way
    kinds = list(MALFORMED)
    with SqsStandIn() as stand_in:
        acknowledged: set[str] = set()

        def answer(number: int, entries: Entries) -> bytes:
            if number <= len(kinds):
                return malformed(kinds[number - 1], entries)
            acknowledged.update(json.loads(entry["MessageBody"])["tick_id"] for entry in entries)
            return json.dumps(accepted(entries)).encode()

        stand_in.answer = answer

        # when 200 ticks are sent with a real client
        path = tmp_path / "m.jsonl"
        aws = open_endpoint(stand_in.endpoint_url)
        source = simulated(MARKET, count=200, speed=None)
        summary = Production(at(aws, stock_names("000000000000")), source, manifest=path).run()

    # then each is sent, and in the manifest
    assert (summary.sent, summary.failed) == (200, 0)
    assert sent_ids(path, CONTRACT) == set(market_ids(200))
    # and nothing counts as sent that was in malformed answers only: at most the entries that were whole in them
    assert len(acknowledged) >= 200 - 2 * 10


@pytest.mark.parametrize("kind", ["empty object", "proxy's page", "array", "one entry missing"])
def test_what_is_never_answered_well_is_reported(tmp_path: Path, clock: Any, kind: str) -> None:
    """70 of 200 ticks had vanished so, with "failed 0"."""
    # given a server that answers seven batches with rubbish, whenever they come
    unlucky = set(market_ids(70))
    with SqsStandIn() as stand_in:

        def answer(_number: int, entries: Entries) -> bytes:
            ids = {json.loads(entry["MessageBody"])["tick_id"] for entry in entries}
            return malformed(kind, entries) if ids & unlucky else json.dumps(accepted(entries)).encode()

        stand_in.answer = answer
        path = tmp_path / "m.jsonl"
        aws = open_endpoint(stand_in.endpoint_url)
        source = simulated(MARKET, count=200, speed=None)
        production = Production(at(aws, stock_names("000000000000")), source, manifest=path, clock=clock)
        with suppress(CannotRunError):  # it may be given up when only the seven batches are left
            production.run()
        summary = production.summary()

    # then each tick is in the manifest or reported
    reported = {failure.record_id for failure in summary.failures}
    assert len(sent_ids(path, CONTRACT)) == summary.sent
    assert sent_ids(path, CONTRACT) | reported == set(market_ids(summary.sent + summary.failed))
    assert not sent_ids(path, CONTRACT) & reported
    assert reported
    assert reported <= unlucky


def test_a_tick_that_is_nowhere_is_an_error(
    aws: Any, names: Names, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.production.Production._fail", lambda *_: None)
    aws.sqs.answer = lambda *_: {"Code": "InvalidMessageContents", "SenderFault": True, "Message": "bad"}
    with pytest.raises(CannotRunError, match=r"12 ticks are unaccounted for: of 12, 0 were sent, 0 failed and 0 were"):
        Production(at(aws, names), simulated(MARKET, count=12, speed=None), clock=clock).run()
