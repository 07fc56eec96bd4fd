"""alerts, logs, trace and dlq as an operator runs them, on both engines."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import bootstrap
from pipeline.contract import CONTRACT, Tick
from producer import manifest as manifests
from producer.manifest import ManifestWriter, Sent
from profiles.session import Aws
from runtime.clock import iso_utc
from tests.support.command_line import Answer, stockpipe
from tests.support.console_pipeline import Pipeline, make_pipeline
from tests.support.environments import at, stock_settings
from tests.support.sandboxes import ENGINES
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
NOT_A_TICK = '{"symbol": "AAPL", "price": "1\\u001b[31m", "volume": 1}'


class SentTick(NamedTuple):
    """A tick and the id of its message."""

    tick: Tick
    message_id: str


@dataclass(frozen=True)
class Desk:
    """An environment, and our commands on it."""

    pipeline: Pipeline
    endpoint_url: str

    @property
    def aws(self) -> Aws:
        return self.pipeline.aws

    @property
    def environ(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.endpoint_url, "STOCKPIPE_PREFIX": self.pipeline.names.prefix}

    def run(self, *command: str, text: str = "") -> Answer:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environ.items():
                patch.setenv(name, value)
            return stockpipe(*command, text=text)

    def json(self, *command: str) -> Any:
        result = self.run(*command, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "stockpipe", *command],
            cwd=ROOT,
            env={**os.environ, **self.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def send(self, symbol: str, price: float) -> SentTick:
        """Send a tick as the producer does: it is in a manifest of this machine."""
        tick = self.pipeline.tick(symbol, price)
        sent = SentTick(tick, self.pipeline.send(CONTRACT.encode(tick)))
        with ManifestWriter(manifests.new_path(at(self.aws, self.pipeline.names), tick.tick_id)) as writer:
            writer.append([Sent(*sent)])
        return sent

    def is_stored(self, tick: Tick) -> bool:
        listed = self.aws.s3.list_objects_v2(Bucket=self.pipeline.names.bucket, Prefix=CONTRACT.key(tick))
        return listed["KeyCount"] == 1

    def dead_letters(self) -> dict[str, Any]:
        return {letter["message_id"]: letter for letter in self.json("dlq", "list")["dead_letters"]}

    def empty_dead_letters(self) -> None:
        """By consuming them: AWS and LocalStack take one purge a minute."""
        url = self.pipeline.url(self.pipeline.names.dead_letter_queue)
        while found := self.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture(scope="module", params=ENGINES)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    engine = request.getfixturevalue(request.param)
    pipeline = make_pipeline(engine.aws, f"op{uuid.uuid4().hex[:8]}")
    yield Desk(pipeline, engine.endpoint_url)
    bootstrap.down(at(engine.aws, pipeline.names), stock_settings())


def symbol() -> str:
    """One that no other test uses."""
    return "X" + uuid.uuid4().hex[:8].upper()


def hops(trace: Any) -> dict[str, Any]:
    return {hop["name"]: hop for hop in trace["hops"]}


def test_a_stored_tick_is_traced_with_the_milliseconds_of_each_hop(desk: Desk) -> None:
    # given a quiet tick that is stored
    sent = desk.send(symbol(), 100.0)
    wait_until(lambda: desk.is_stored(sent.tick))
    wait_until(lambda: "answered" in hops(desk.json("trace", sent.tick.tick_id)))

    # when it is traced, by tick id and by message id
    trace = desk.json("trace", sent.tick.tick_id)
    assert desk.json("trace", sent.message_id) == trace

    # then its stations are in order, with what to look up
    assert (trace["outcome"], trace["message_id"], trace["key"]) == (
        "stored",
        sent.message_id,
        CONTRACT.key(sent.tick),
    )
    assert list(hops(trace)) == ["sent", "received", "processed", "stored", "answered"]
    times = [hop["at_ms"] for hop in trace["hops"]]
    assert times == sorted(times)
    head = desk.aws.s3.head_object(Bucket=desk.pipeline.names.bucket, Key=trace["key"])
    assert trace["request_id"] == head["Metadata"]["request-id"]
    assert trace["request_id"] in hops(trace)["received"]["detail"]
    assert trace["latency_ms"] == hops(trace)["processed"]["at_ms"] - hops(trace)["sent"]["at_ms"]
    assert trace["alert_marker"] is None

    # and a person sees the same
    shown = desk.run("trace", sent.tick.tick_id)
    assert shown.exit_code == 0
    assert f"stored after {trace['latency_ms']:,} ms" in shown.stdout
    assert trace["key"] in shown.stdout


def test_an_alert_is_shown_and_traced_and_the_next_one_of_its_window_is_named_too(desk: Desk) -> None:
    # given two breaching ticks of one window, one after the other
    name = symbol()
    first = desk.send(name, 1300.5)
    wait_until(lambda: desk.is_stored(first.tick))
    second = replace(first.tick, tick_id=f"{first.tick.tick_id}-2", price=1400.0)
    desk.pipeline.send(CONTRACT.encode(second))
    wait_until(lambda: desk.is_stored(second))

    # then the inbox has one alert, with its real subject and body, and still has it when asked again
    for _ in range(2):
        alerts = [alert for alert in desk.json("alerts")["alerts"] if alert["fields"].get("symbol") == name]
        assert [alert["subject"] for alert in alerts] == [f"Stock alert: {name} 1300.50 >= 1200.00"]
        assert json.loads(alerts[0]["body"])["tick_id"] == first.tick.tick_id
    shown = desk.run("alerts").stdout
    assert f"Stock alert: {name} 1300.50 >= 1200.00" in shown
    assert alerts[0]["body"] in shown

    # and the traces say which tick alerted the window
    trace = desk.json("trace", first.tick.tick_id)
    assert trace["alert_marker"] == CONTRACT.alert_key("price", first.tick, 60)
    assert trace["sns_message_id"] == alerts[0]["message_id"]
    assert hops(trace)["delivered"]["at_ms"] == alerts[0]["sent_ms"]
    assert hops(trace)["alert"]["at_ms"] <= hops(trace)["stored"]["at_ms"]
    other = desk.json("trace", second.tick_id, "--symbol", name)
    assert first.tick.tick_id in hops(other)["not alerted"]["detail"]
    assert other["sns_message_id"] is None


def test_a_tick_of_another_machine_is_found_by_looking_and_not_without_end(desk: Desk) -> None:
    tick = desk.pipeline.tick(symbol(), 5.0)
    desk.pipeline.send(CONTRACT.encode(tick))
    wait_until(lambda: desk.is_stored(tick))
    trace = desk.json("trace", tick.tick_id)
    assert (trace["outcome"], trace["key"], trace["message_id"]) == ("stored", CONTRACT.key(tick), None)

    limited = desk.run("trace", "not-there", "--limit", "1")
    assert limited.exit_code == 2
    assert "without finding not-there: name its --group, or look at more with --limit" in limited.error


def test_a_tick_in_a_shared_object_is_traced(desk: Desk) -> None:
    # given the object that the batch layout writes for three ticks of one symbol
    name = symbol()
    start = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    ticks = [Tick(f"{name}-{n}", name, 10.0, 1, iso_utc(start.replace(second=n))) for n in range(3)]
    processed_at = datetime(2026, 1, 5, 14, 31, tzinfo=UTC)
    lines = [
        CONTRACT.encode_stored(tick, sent_timestamp_ms=1767623450000, processed_at=processed_at, alert=False)
        for tick in ticks
    ]
    desk.aws.s3.put_object(
        Bucket=desk.pipeline.names.bucket,
        Key=CONTRACT.batch_key(ticks),
        Body="".join(lines).encode(),
        Metadata={"request-id": "a-request"},
    )
    with ManifestWriter(manifests.new_path(at(desk.aws, desk.pipeline.names), name)) as writer:
        writer.append([Sent(tick, f"message-{tick.tick_id}") for tick in ticks])

    trace = desk.json("trace", ticks[2].tick_id)
    assert (trace["outcome"], trace["key"], trace["request_id"]) == ("stored", CONTRACT.batch_key(ticks), "a-request")
    by_looking = desk.json("trace", ticks[1].tick_id, "--symbol", name)
    assert by_looking["key"] == CONTRACT.batch_key(ticks)


def test_a_dead_letter_is_listed_shown_traced_and_sent_back(desk: Desk) -> None:
    desk.empty_dead_letters()
    # given something that is not a valid tick, and a valid tick among the dead letters
    poison = desk.pipeline.send(NOT_A_TICK)
    letters = wait_until(lambda: found if poison in (found := desk.dead_letters()) else None)
    valid = desk.pipeline.tick(symbol(), 7.0)
    valid_message = desk.pipeline.send(CONTRACT.encode(valid), queue=desk.pipeline.names.dead_letter_queue)

    # then they are listed with their reasons, and stay
    assert letters[poison]["reason"] == "price is a string, not a number"
    assert letters[poison]["is_valid_tick"] is False
    letters = wait_until(lambda: found if valid_message in (found := desk.dead_letters()) else None)
    assert letters[valid_message]["tick_id"] == valid.tick_id
    assert letters[valid_message]["is_valid_tick"] is True
    listed = desk.run("dlq", "list").stdout
    assert "\x1b" not in listed, "what was sent must not reach the terminal as it is"

    # and one is shown whole, with what the function logged about its delivery
    shown = wait_until(lambda: found if (found := desk.json("dlq", "show", poison))["failures"] else None)
    assert shown["body"] == NOT_A_TICK
    assert [failure["reason"] for failure in shown["failures"]] == ["price is a string, not a number"]
    assert shown["failures"][0]["request_id"] in desk.run("dlq", "show", poison).stdout

    # and traced
    trace = desk.json("trace", poison)
    assert (trace["outcome"], trace["reason"]) == ("dead-lettered", "price is a string, not a number")
    assert list(hops(trace)) == ["sent", "failed", "dead-lettered"]

    # when one is sent back, the other stays; when all are, the valid one is stored and the other comes back
    assert desk.json("dlq", "redrive", valid.tick_id) == {"moved": 1, "way": "copy", "finished": True}
    wait_until(lambda: desk.is_stored(valid))
    assert list(desk.dead_letters()) == [poison]
    assert desk.json("dlq", "redrive")["moved"] == 1
    wait_until(lambda: len(desk.dead_letters()) == 1)

    # and when they are purged, nothing is left; without a terminal it has to be said
    refused = desk.run("dlq", "purge")
    assert refused.exit_code == 2
    assert "add --yes" in refused.error
    assert len(desk.dead_letters()) == 1
    assert desk.run("dlq", "purge", "--yes").stdout == "deleted about 1 dead letters\n"
    wait_until(lambda: not desk.dead_letters())
    assert desk.run("dlq", "list").stdout == "no dead letters\n"
    assert desk.run("dlq", "purge").stdout == "no dead letters\n"
    nothing = desk.run("dlq", "show", poison)
    assert "no dead letter has the message id or tick id" in nothing.error


def test_logs_are_rendered_filtered_and_printed_raw(desk: Desk) -> None:
    # given an invocation
    sent = desk.send(symbol(), 100.0)
    request = wait_until(
        lambda: desk.json("trace", sent.tick.tick_id)["request_id"] if desk.is_stored(sent.tick) else None
    )

    # then its lines are shown compactly
    def lines() -> str:
        return desk.run("logs", "--since", "1h", "--filter", request.upper()).stdout

    shown = wait_until(lambda: found if "REPORT" in (found := lines()) else None)
    (processed,) = [line for line in shown.splitlines() if "batch processed" in line]
    assert "INFO    batch processed messages=" in processed
    assert "location" not in processed
    assert processed.endswith(request)
    assert [line.split()[1] for line in shown.splitlines() if line.endswith(request)] == [
        "START",
        "INFO",
        "END",
        "REPORT",
    ]
    metrics = desk.run("logs", "--since", "1h", "--filter", "TicksStored").stdout
    assert "METRIC  TicksStored=" in metrics
    assert "{" not in metrics

    # and raw ones are JSON, one a line
    raw = [
        json.loads(line)
        for line in desk.run("logs", "--since", "1h", "--filter", request, "--json").stdout.splitlines()
    ]
    assert {"at_ms", "stream", "message"} == set(raw[0])
    assert any(
        json.loads(line["message"]).get("function_request_id") == request for line in raw if line["message"][0] == "{"
    )

    # and where there is nothing, it says so
    nothing = desk.run("logs", "--filter", "no such thing")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no line that contains 'no such thing' since 15m" in nothing.stderr


@pytest.mark.parametrize("command", ["logs", "alerts"])
def test_following_shows_what_comes_until_it_is_interrupted(desk: Desk, command: str) -> None:
    name = symbol()
    process = desk.start(command, "--follow", "--json")
    assert process.stdout
    try:
        sent = desk.send(name, 1300.0)
        wanted = "batch processed" if command == "logs" else sent.tick.tick_id
        newest = next(line for line in process.stdout if wanted in line)
        assert json.loads(newest)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_mails_are_shown_where_the_endpoint_records_them(localstack: Any) -> None:
    # given a subscriber by email on LocalStack, which records what it would mail
    pipeline = make_pipeline(localstack.aws, f"op{uuid.uuid4().hex[:8]}")
    desk = Desk(pipeline, localstack.endpoint_url)
    address = f"{uuid.uuid4().hex}@example.com"
    localstack.aws.sns.subscribe(TopicArn=pipeline.names.topic_arn, Protocol="email", Endpoint=address)
    sent = desk.send(symbol(), 2000.0)
    document = wait_until(lambda: found if (found := desk.json("alerts"))["emails"] else None)
    assert document["emails"][0]["to"] == [address]
    assert json.loads(document["emails"][0]["body"])["tick_id"] == sent.tick.tick_id
    assert f"email to {address}" in desk.run("alerts").stdout
    bootstrap.down(at(localstack.aws, pipeline.names), stock_settings())
