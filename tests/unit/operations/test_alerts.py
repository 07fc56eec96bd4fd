"""Alerts are counted by what subscribers got; markers only explain, and what can't be told is not claimed."""

import json
from itertools import count
from typing import Any

import pytest

from operations.alerts import read_alert
from operations.queues import depth
from pipeline.contract import CONTRACT
from runtime.clock import Clock, iso_utc
from tests.support.reconciled_world import CALM, TICKS, WINDOWS, World

SILENT = sorted(WINDOWS)[0]
NOW = iso_utc(Clock().now())


@pytest.fixture
def stored(world: World) -> World:
    world.produce(TICKS)
    world.store(TICKS)
    return world


MARKERS: list[tuple[Any, str]] = [
    (None, "it has no marker"),
    ("published", "it has no marker"),
    ({"state": "claimed"}, "its marker says claimed"),
    ({"state": ["\ud800"]}, "its marker says ["),
    ({"state": "published", "published_at": NOW, "sns_message_id": "s-9"}, "SNS accepted it as message s-9 at "),
    ({"state": "published", "published_at": 7}, "SNS accepted it as message ? at an unknown time"),
]


def test_a_window_that_is_not_in_the_inbox_is_named_with_what_its_marker_says(world: World) -> None:
    # given ticks that each have an alert of their own, of which one is in the inbox
    ticks = CALM[: len(MARKERS) + 1]
    world.configure(ALERT_THRESHOLD="1", ALERT_COOLDOWN_SECONDS="0")
    world.produce(ticks)
    world.store(ticks)
    windows = [CONTRACT.alert_key("price", tick, 0) for tick in ticks]
    world.alert({windows[-1]})
    for window, (marker, _) in zip(windows, MARKERS, strict=False):
        if marker:
            world.put(window, json.dumps(marker))

    # when it is reconciled
    result = world.reconcile()

    # then the others are named, also where a marker says that the alert was published
    assert not result.holds
    said = {each.window: each.why for each in result.unalerted}
    assert said.keys() == set(windows[:-1])
    for window, (_, why) in zip(windows, MARKERS, strict=False):
        assert said[window].startswith(why)
    assert f"alerts 1, {len(MARKERS)} without alert" in result.line


def test_a_purged_inbox_is_not_taken_for_alerts_that_were_not_sent(stored: World) -> None:
    stored.mark(WINDOWS, at=NOW)
    result = stored.reconcile()
    assert not result.holds
    assert {each.window for each in result.unalerted} == WINDOWS
    assert (
        "it was not delivered, or it was purged or consumed since. stockpipe can't tell which"
        in result.unalerted[0].why
    )


def test_what_is_older_than_the_inbox_keeps_is_not_known(stored: World) -> None:
    # given an alert that was published years ago, and is no longer in the inbox
    stored.alert(WINDOWS - {SILENT})
    stored.mark({SILENT}, at="2020-01-05T14:31:00.000Z")

    # when it is reconciled
    result = stored.reconcile()

    # then it is neither counted as seen nor as missing
    assert result.holds
    assert [each.window for each in result.unknown_alerts] == [SILENT]
    assert "StockAlertsInbox keeps messages for 4 days" in result.unknown_alerts[0].why
    assert f"alerts {len(WINDOWS) - 1}, 1 not known" in result.line


def test_a_window_that_was_alerted_more_than_once_is_counted_and_no_failure(stored: World) -> None:
    stored.alert(WINDOWS)
    stored.alert({SILENT})
    stored.alert({SILENT})
    result = stored.reconcile()
    assert result.holds
    assert [(each.window, each.alerts) for each in result.repeated_alerts] == [(SILENT, 3)]
    assert f"alerts {len(WINDOWS)}, 1 alerted more than once" in result.line


def test_messages_that_another_reader_has_are_waited_for(stored: World) -> None:
    # given an inbox of which another reader has everything
    stored.alert(WINDOWS)
    taken = stored.aws.sqs.receive_message(QueueUrl=stored.inbox, MaxNumberOfMessages=10, VisibilityTimeout=600)

    # when it is reconciled, and the other reader gives back what it has after a while
    def give_back(_stop: object, _seconds: float) -> None:
        for message in taken["Messages"]:
            stored.aws.sqs.change_message_visibility(
                QueueUrl=stored.inbox, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        taken["Messages"] = []

    clock = Clock(monotonic=map(float, count(1)).__next__, wait=give_back)
    result = stored.reconcile(wait_seconds=10, clock=clock)

    # then all are seen
    assert (result.holds, result.alerts) == (True, len(WINDOWS))


def test_messages_that_could_not_be_seen_are_not_known(stored: World) -> None:
    stored.alert(WINDOWS)
    stored.aws.sqs.receive_message(QueueUrl=stored.inbox, MaxNumberOfMessages=10, VisibilityTimeout=600)
    result = stored.reconcile()
    assert {each.window for each in result.unknown_alerts} == WINDOWS
    assert result.unalerted == ()
    assert f"about {len(WINDOWS)} messages of StockAlertsInbox could not be seen" in result.unknown_alerts[0].why


HOSTILE_BODIES = (
    "\x1b[31m",
    "[" * 20_000,
    "{}",
    json.dumps({"rule": "price", "symbol": ["TSLA"], "window": {"a": 1}}),
    json.dumps({"rule": "price", "symbol": "\ud800", "window": "\u202e"}),
    json.dumps({"rule": ["price"], "symbol": "TSLA", "window": "1"}),
    json.dumps({"TopicArn": 1, "Message": None}),
)


def test_what_others_put_into_the_inbox_is_left_out_and_stays(stored: World) -> None:
    stored.alert(WINDOWS)
    stored.aws.sqs.meta.events.register("after-call.sqs.ReceiveMessage", _replace)
    for number in range(len(HOSTILE_BODIES)):
        stored.deliver(f"theirs {number}")
    result = stored.reconcile()
    assert (result.holds, result.alerts) == (True, len(WINDOWS))
    assert depth(stored.aws, stored.inbox).waiting == len(WINDOWS) + len(HOSTILE_BODIES)


def _replace(parsed: dict[str, Any], **_: Any) -> None:
    """Hand out bodies that moto's SQS would refuse to take."""
    for message in parsed.get("Messages", []):
        if message["Body"].startswith("theirs"):
            message["Body"] = HOSTILE_BODIES[int(message["Body"].split()[1])]


def test_where_no_price_reached_the_threshold_the_inbox_is_left_alone(world: World) -> None:
    calm = [tick for tick in TICKS if tick.price < 1200][:5]
    world.produce(calm)
    world.store(calm)
    world.aws.sqs.delete_queue(QueueUrl=world.inbox)
    assert world.reconcile().holds


def test_many_alerts_are_counted_with_a_call_for_ten(stored: World) -> None:
    # given an inbox with many alerts of other windows
    stored.alert(WINDOWS)
    other = json.dumps({"rule": "price", "symbol": "IBM", "window": "1"})
    for _ in range(10):
        stored.aws.sqs.send_message_batch(
            QueueUrl=stored.inbox, Entries=[{"Id": str(n), "MessageBody": other} for n in range(10)]
        )
    calls: list[str] = []
    stored.aws.sqs.meta.events.register("before-call.sqs", lambda model, **_: calls.append(model.name))

    # when it is reconciled
    result = stored.reconcile()

    # then all are seen
    assert (result.holds, result.alerts, result.repeated_alerts) == (True, len(WINDOWS), ())
    assert calls.count("ReceiveMessage") < 16


ALERT = {"symbol": "TSLA", "price": 1201.33, "tick_id": "t-1"}


def message(body: str) -> Any:
    return {"MessageId": "sqs-1", "Body": body, "Attributes": {"SentTimestamp": "1767571200000"}}


def test_an_alert_is_taken_out_of_the_envelope_of_sns() -> None:
    envelope = {
        "Type": "Notification",
        "MessageId": "sns-1",
        "TopicArn": "arn:aws:sns:us-east-2:000000000000:StockAlerts",
        "Subject": "Stock alert: TSLA 1201.33 >= 1200.00",
        "Message": json.dumps(ALERT),
    }

    alert = read_alert(CONTRACT, message(json.dumps(envelope)))

    assert (alert.message_id, alert.subject) == ("sns-1", "Stock alert: TSLA 1201.33 >= 1200.00")
    assert (alert.fields["symbol"], alert.record_id, alert.sent_ms) == ("TSLA", "t-1", 1767571200000)


@pytest.mark.parametrize("body", [json.dumps(ALERT), "just a text", "[1, 2]"])
def test_a_message_without_an_envelope_is_shown_as_it_is(body: str) -> None:
    alert = read_alert(CONTRACT, message(body))

    assert (alert.message_id, alert.subject, alert.body) == ("sqs-1", "(no subject)", body)
