"""Keys are not trusted: what records say is compared with what was produced, and what is no record is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from analytics.history import run_compaction
from operations.ledger import differences
from operations.records import LONGEST_RECORD
from pipeline.contract import CONTRACT, Tick
from profiles.errors import CannotRunError
from tests.support.command_line import stockpipe, works_on
from tests.support.reconciled_world import CALM, NAMES, World, record

TICK = CALM[3]


def changed(tick: Tick, **fields: Any) -> str:
    return json.dumps({**json.loads(record(tick)), **fields}) + "\n"


def hostile_records(tick: Tick) -> list[tuple[str | bytes, str]]:
    """What somebody may put in the place of a record, and what is said about it."""
    later = {"timestamp": "2026-01-05T14:30:59Z", "event_time": "2026-01-05T14:30:59.000Z"}
    return [
        ("", "the object is empty"),
        ("\x1b[31m{oops", "body is not JSON"),
        (b"\xff\xfe\xfa", "it is not UTF-8"),
        (record(tick)[:40], "body is not JSON"),
        ("[" * 20_000, "body is over-long"),
        (changed(tick, price=tick.price + 1), f"price is {tick.price + 1}, {tick.price} was produced"),
        (changed(tick, price=0), "price 0.0 is not above 0"),
        (changed(tick, price=float("nan")), "NaN is not a number"),
        (changed(tick, price="1"), "price is a string, not a number"),
        (changed(tick, volume=tick.volume + 1), "volume is "),
        (changed(tick, symbol="IBM"), "symbol is 'IBM'"),
        (changed(tick, tick_id="other"), "tick_id is 'other'"),
        (changed(tick, **later), "timestamp is '2026-01-05T14:30:59Z'"),
        (changed(tick, event_time="2026-01-05T14:30:59.000Z"), "event_time is not "),
        (changed(tick, symbol="\ud800"), "symbol '\\ud800' does not match"),
        (record(tick) * 2, "it has more than one line"),
        ("x" * (LONGEST_RECORD + 1), "the object has 65,537 bytes, which is too large for a record"),
    ]


def test_a_record_that_was_overwritten_is_altered(world: World) -> None:
    # given ticks that are all stored under their keys, of which some were overwritten
    count = len(hostile_records(TICK))
    world.produce(CALM[: count + 3])
    world.store(CALM[: count + 3])
    said = {}
    for number, tick in enumerate(CALM[:count]):
        body, said[tick.tick_id] = hostile_records(tick)[number]
        world.aws.s3.put_object(Bucket=NAMES.bucket, Key=CONTRACT.key(tick), Body=body)

    # when it is reconciled
    result = world.reconcile()

    # then those are named, with what is wrong
    assert not result.holds
    assert [each.record_id for each in result.altered] == sorted(said)
    for each in result.altered:
        assert each.difference.startswith(said[each.record_id])
    assert f"missing 0, duplicated 0, altered {count}, alerts 0; content of {count + 3} of {count + 3}" in result.line


def test_what_the_listing_tells_is_seen_though_no_record_is_read(world: World) -> None:
    world.produce(CALM[:4])
    world.store(CALM[:4])
    world.put(CONTRACT.key(CALM[0]), "")
    world.put(CONTRACT.key(CALM[1]), "x" * (LONGEST_RECORD + 1))

    result = world.reconcile(sample=0)

    assert {each.record_id for each in result.altered} == {CALM[0].tick_id, CALM[1].tick_id}


def test_an_altered_record_is_shown_and_ends_with_1(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.produce(CALM[:3])
    world.store(CALM[:3])
    world.put(CONTRACT.key(CALM[1]), changed(CALM[1], symbol="[red]\x1b[31m"))
    works_on(monkeypatch, world.environment)
    answer = stockpipe("reconcile", "--manifest", str(world.manifest), "--wait", "0")
    assert answer.exit_code == 1
    assert f"  altered: {CALM[1].tick_id} in {CONTRACT.key(CALM[1])}: symbol '[red]\\x1b[31m' does not" in answer.stdout
    assert "\x1b" not in answer.stdout

    answer = stockpipe("reconcile", "--manifest", str(world.manifest), "--wait", "0", "--json")
    (altered,) = json.loads(answer.stdout)["altered"]
    assert altered["tick_id"] == CALM[1].tick_id


def test_a_sample_says_what_it_is_of_and_can_be_repeated(world: World) -> None:
    # given more records than are compared, of which half say another price
    world.produce(CALM[:40])
    world.store(CALM[:40])
    for tick in CALM[:40:2]:
        world.put(CONTRACT.key(tick), changed(tick, price=1.0))

    # when a sample is compared twice with the same seed, and then all
    first, again, other = (world.reconcile(sample=15, seed=seed) for seed in (7, 7, 8))

    # then it is the same sample, and its size and seed are in the line
    assert first.altered == again.altered != other.altered
    assert 0 < len(first.altered) < 15
    assert first.line.endswith("content of 15 of 40 records compared (seed 7)")
    assert len(world.reconcile(sample=None).altered) == 20
    assert world.reconcile(sample=None).line.endswith("content of 40 of 40 records compared")


def test_objects_with_several_ticks_are_always_compared(world: World) -> None:
    # given a batch object in which one price differs, one line is torn, and one is of nobody
    ticks = [tick for tick in CALM if tick.symbol == "AAPL"][:4]
    world.produce(ticks)
    lines = [record(ticks[0]), changed(ticks[1], price=1.0), record(ticks[2]), '["nobody"]\n', record(ticks[3])[:50]]
    world.put(CONTRACT.batch_key(ticks), "".join(lines))

    # when it is reconciled without a sample
    result = world.reconcile(sample=0)

    # then all that can be read was compared, the torn tick is missing, and both lines are named
    assert [each.difference for each in result.altered] == [f"price is 1.0, {ticks[1].price} was produced"]
    assert result.missing == (ticks[3].tick_id,)
    assert (result.compared, result.records) == (3, 3)
    assert [place for place, _ in result.foreign] == [f"{CONTRACT.batch_key(ticks)} line {number}" for number in (4, 5)]


def test_objects_that_hold_no_record_are_named_and_no_failure(world: World) -> None:
    world.produce(CALM[:3])
    world.store(CALM[:3])
    folder = f"processed/{CALM[0].symbol}/"
    world.put(f"{folder}readme\n\x1b[31m.txt", "hello")
    world.put(f"{folder}empty", "")
    world.aws.s3.put_object(Bucket=NAMES.bucket, Key=f"{folder}binary", Body=b"\xff\x00\n\xff")
    result = world.reconcile()
    assert result.holds
    assert [place for place, _ in result.foreign] == [
        f"{folder}binary line 1",
        f"{folder}binary line 2",
        f"{folder}empty",
        f"{folder}readme\n\x1b[31m.txt line 1",
    ]


def test_a_line_of_many_megabytes_is_read_in_pieces(world: World) -> None:
    ticks = CALM[:2]
    world.produce(ticks)
    body = b'{"tick_id": "' + b"x" * 3_000_000 + b"\n" + record(ticks[0]).encode()
    world.store(ticks[1:])
    world.aws.s3.put_object(Bucket=NAMES.bucket, Key=f"processed/{ticks[0].symbol}/big", Body=body)
    result = world.reconcile()
    assert result.holds
    assert [place for place, _ in result.foreign] == [f"processed/{ticks[0].symbol}/big line 1"]


@pytest.mark.parametrize("answer", ["NoSuchKey", "AccessDenied"])
def test_a_record_that_is_deleted_after_it_was_listed_is_missing(world: World, answer: str) -> None:
    # given a record that is deleted between the listing and the comparison
    world.produce(CALM[:5])
    world.store(CALM[:5])

    def delete(params: dict[str, Any], **_: Any) -> None:
        if params["Key"] == CONTRACT.key(TICK):
            world.aws.s3.delete_object(Bucket=NAMES.bucket, Key=CONTRACT.key(TICK))
            if answer == "AccessDenied":  # what S3 says to whoever may not list the bucket
                raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    world.aws.s3.meta.events.register("provide-client-params.s3.GetObject", delete)
    result = world.reconcile()
    assert (result.missing, result.altered, result.stored) == ((TICK.tick_id,), (), 4)


def test_a_batch_object_that_is_deleted_after_it_was_listed_is_missing(world: World) -> None:
    ticks = [tick for tick in CALM if tick.symbol == "AAPL"][:3]
    world.produce(ticks)
    world.put(CONTRACT.batch_key(ticks), "".join(map(record, ticks)))
    world.aws.s3.meta.events.register(
        "provide-client-params.s3.GetObject",
        lambda **_: world.aws.s3.delete_object(Bucket=NAMES.bucket, Key=CONTRACT.batch_key(ticks)) and None,
    )
    assert len(world.reconcile().missing) == 3


def test_who_may_not_read_is_told_so(world: World) -> None:
    def deny(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    world.produce(CALM[:2])
    world.store(CALM[:2])
    world.aws.s3.meta.events.register("provide-client-params.s3.GetObject", deny)
    with pytest.raises(CannotRunError, match=r"may not read s3://\S+: it lacks s3:GetObject"):
        world.reconcile()


def test_a_record_that_is_compacted_and_deleted_meanwhile_is_stored(world: World, cache: Path) -> None:
    # given records that compaction moves after they were listed
    world.produce(CALM[:5])
    world.store(CALM[:5])
    moved: list[str] = []

    def move(**_: Any) -> None:
        if not moved:
            moved.append("")
            run_compaction(world.environment, "duckdb", delete_compacted=True)

    world.aws.s3.meta.events.register("provide-client-params.s3.GetObject", move)
    result = world.reconcile()
    assert (result.holds, result.stored, result.missing) == (True, 5, ())


def test_compacted_records_are_compared(world: World, cache: Path) -> None:
    # given a record whose price was changed before it was compacted
    world.produce(CALM[:5])
    world.store(CALM[:5])
    world.put(CONTRACT.key(TICK), changed(TICK, price=1.0))
    run_compaction(world.environment, "duckdb", delete_compacted=True)

    # then it is altered, though its object is gone
    result = world.reconcile(sample=0)
    assert [each.difference for each in result.altered] == [f"price is 1.0, {TICK.price} was produced"]
    assert (result.compared, result.records) == (5, 5)


def test_a_corrupt_parquet_file_is_one_line(world: World, cache: Path) -> None:
    # given a compacted table whose file is corrupt
    world.produce(CALM[:5])
    world.store(CALM[:5])
    run_compaction(world.environment, "duckdb", delete_compacted=True)
    listed = world.aws.s3.list_objects_v2(Bucket=NAMES.bucket, Prefix="curated/")["Contents"]
    for item in listed:
        world.aws.s3.put_object(Bucket=NAMES.bucket, Key=item["Key"], Body=b"PAR1 garbage PAR1")

    # then it is not known which ticks are stored, and that is said
    with pytest.raises(CannotRunError, match="table ticks can't be read, so it is not known which ticks are in it"):
        world.reconcile()


HOSTILE_IDS = ("\ud800", "a\x00b", "\x1b[2J", "[red][/]", "\u202eabc", "a\nb\r\nc", "x" * 1_000_000, 7, ["a"], None)


def test_hostile_dead_letters_blind_nobody(world: World) -> None:
    # given dead letters with such ids, beside one of ours
    bodies = [json.dumps({"tick_id": tick_id}) for tick_id in HOSTILE_IDS]
    world.produce(CALM[:5])
    world.store(CALM[1:5])
    world.kill([CONTRACT.encode(CALM[0]), *(f"hostile {number}" for number in range(len(bodies)))])

    def replace(parsed: dict[str, Any], **_: Any) -> None:
        for message in parsed.get("Messages", []):
            if message["Body"].startswith("hostile"):
                message["Body"] = bodies[int(message["Body"].split()[1])]

    world.aws.sqs.meta.events.register("after-call.sqs.ReceiveMessage", replace)

    # then ours is found, and the others are counted
    result = world.reconcile()
    assert result.holds
    assert [letter.record_id for letter in result.dead_lettered] == [CALM[0].tick_id]
    assert result.other_dead_letters == len(bodies)


def test_a_whole_number_is_the_same_price() -> None:
    sent = Tick("a", "IBM", 100, 1, "2026-01-05T14:30:00.000Z")
    assert differences(sent, Tick("a", "IBM", 100.0, 1, "2026-01-05T14:30:00.000Z")) == []
    assert differences(sent, Tick("a", "IBM", 100.0, 1, "2026-01-05T14:30:00.001Z")) != []


def test_another_run_is_a_difference() -> None:
    sent = replace(TICK, run="one")
    assert differences(sent, sent) == []
    assert differences(sent, TICK) == ["run is None, 'one' was produced"]
    assert differences(TICK, sent) == ["run is 'one', None was produced"]
