"""One hostile message, record or log line blinds no tool, and nothing of it reaches a terminal as it is."""

import json
from typing import Any

import pytest

import terminal
from console.listing import seen
from console.model import Model
from operations.commands import logs
from operations.doctor.check import State
from operations.doctor.examination import checks_of
from operations.function_log import LogEvent, read_line
from operations.records import records_in
from pipeline.contract import CONTRACT
from tests.support.command_line import stockpipe, works_on
from tests.support.reconciled_world import CALM, NAMES, World, record

BODIES = (
    json.dumps({"tick_id": "\ud800\x1b[31m[red][/]\u202e\n"}),
    json.dumps({"tick_id": "x" * 1_000_000}),
    json.dumps({"tick_id": ["\x1b"]}),
    "\x1b[2J\x00\r[/]",
    "[" * 20_000,
    "1" * 5_000,
)


@pytest.fixture
def hostile(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A dead-letter queue that hands out what moto would refuse to take."""
    ids = world.kill([f"hostile {number}" for number in range(len(BODIES))])
    assert len(ids) == len(BODIES)

    def replace(parsed: dict[str, Any], **_: Any) -> None:
        for message in parsed.get("Messages", []):
            message["Body"] = BODIES[int(message["Body"].split()[1])]

    world.aws.sqs.meta.events.register("after-call.sqs.ReceiveMessage", replace)
    world.aws.logs.create_log_group(logGroupName=NAMES.log_group)
    works_on(monkeypatch, world.environment)
    return world


def test_dead_letters_are_listed_and_shown_escaped_and_json_keeps_them(hostile: World) -> None:
    # when they are listed, shown one by one, and read as JSON
    listed = stockpipe("dlq", "list")
    found = json.loads(stockpipe("dlq", "list", "--json").stdout)
    shown = [stockpipe("dlq", "show", each["message_id"]) for each in found["dead_letters"]]

    # then each is there, the text harmless, the JSON the same as what was sent
    assert [answer.exit_code for answer in (listed, *shown)] == [0] * (1 + len(BODIES))
    said = "".join(answer.stdout for answer in (listed, *shown))
    assert not set(said) & {"\x1b", "\x00", "\r", "\u202e", "\ud800"}
    assert len(listed.stdout.splitlines()) == 1 + len(BODIES)
    assert len(listed.stdout) < 100_000
    assert {each["body"] for each in found["dead_letters"]} == set(BODIES)


def test_dead_letters_that_sqs_does_not_count_are_no_reason_to_say_none(hostile: World) -> None:
    # given counts of zero, which may be a minute old
    def lag(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Attributes"] = {
            name: "0" if name.startswith("Approximate") else value for name, value in parsed["Attributes"].items()
        }

    hostile.aws.sqs.meta.events.register("after-call.sqs.GetQueueAttributes", lag)

    # then no tool says that there are none
    assert len(json.loads(stockpipe("dlq", "list", "--json").stdout)["dead_letters"]) == len(BODIES)
    assert checks_of(hostile.environment)["dead letters"]().state is State.WARNING
    assert stockpipe("dlq", "purge").error, "it asks before it deletes"
    assert stockpipe("dlq", "purge", "--yes").stdout.startswith(f"deleted about {len(BODIES)} dead letters")
    assert stockpipe("dlq", "purge").stdout == "no dead letters\n"


def changed(**fields: Any) -> bytes:
    return (json.dumps({**json.loads(record(CALM[0])), **fields}) + "\n").encode()


HOSTILE_RECORDS = (
    *(changed(price=price) for price in (0, -1, float("nan"), float("inf"), "1", None, True, [1])),
    *(changed(symbol=symbol) for symbol in ("\ud800", "", "<b>", "x" * 1_000_000, 7, None)),
    *(changed(volume=volume) for volume in (10**40, -1, 1.5, "1")),
    *(changed(latency_ms=latency) for latency in (10**400, -1, "7", 1e300, True)),
    *(changed(processed_at=moment) for moment in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", 7, "x")),
    changed(price=10**400),
    b"[" * 20_000,
    b"1" * 5_000,
    b"\xff\xfe",
    b"",
    b"{}",
)


@pytest.mark.parametrize("body", HOSTILE_RECORDS, ids=range(len(HOSTILE_RECORDS)))
def test_a_record_of_somebody_else_is_left_out_of_the_console(body: bytes) -> None:
    # given a hostile record before a good one
    model = Model()
    good = (
        changed(tick_id=name, price=price) for name, price in (("good", 1e-300), ("better", 1e300), ("best", 1e308))
    )
    for line in good:
        model.add_records(seen(CONTRACT, records_in(CONTRACT, "k", [body, line])[0]))

    # then the panels have the good ones
    assert [each.stored.record.id for each in model.last_records] == ["good", "better", "best"]
    (series,) = model.shown_series()
    assert isinstance(series.change_percent, float)


@pytest.mark.parametrize("body", [b"", b"\x1b[31m{oops", changed(price=0), changed(latency_ms="x"), b"\xff"])
def test_a_record_that_was_overwritten_is_traced(hostile: World, body: bytes) -> None:
    tick = CALM[0]
    hostile.aws.s3.put_object(Bucket=NAMES.bucket, Key=CONTRACT.key(tick), Body=body)
    answer = stockpipe("trace", tick.tick_id, "--symbol", tick.symbol)
    assert answer.exit_code == 0
    assert f"{CONTRACT.key(tick)}, but it is not a valid record" in answer.stdout


@pytest.mark.parametrize(
    "line",
    [
        '{"_aws": 7}',
        '{"_aws": {"CloudWatchMetrics": [{"Metrics": [{}]}]}}',
        '{"_aws": {"Timestamp": 1e30, "CloudWatchMetrics": []}}',
        '{"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "a"}]}]}, "a": [1, "x"]}',
        json.dumps({"level": "\x1b[31m", "message": "\ud800[/]", "k\ne": {"\u202e": 1}}),
        "REPORT RequestId: \x1b Duration: x ms",
    ],
)
def test_a_hostile_log_line_is_shown(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.console.print(logs.render(read_line(LogEvent(0, "s", line))), soft_wrap=True)
    assert not set(capsys.readouterr().out) & {"\x1b", "\ud800", "\u202e"}
