from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from analytics.history import run_compaction
from operations.reconcile import QUIET_SECONDS, reconcile
from pipeline.contract import CONTRACT
from pipeline.source import Market
from producer.manifest import ManifestWriter, Sent
from profiles.errors import CannotRunError
from tests.support.command_line import stockpipe, works_on
from tests.support.environments import at, stock_names
from tests.support.reconciled_world import CALM, NAMES, TICKS, WINDOWS, World, record


def test_all_stored_once_and_alerted_holds(world: World) -> None:
    world.produce(TICKS)
    world.store(TICKS)
    world.alert(WINDOWS)
    result = world.reconcile()
    assert result.holds
    assert (
        result.line == f"reconciled: 120 produced = 120 stored + 0 dead-lettered; "
        f"missing 0, duplicated 0, altered 0, alerts {len(WINDOWS)}; content of 120 of 120 records compared"
    )
    assert len(WINDOWS) >= 2


def test_missing_ticks_are_named(world: World) -> None:
    ticks = CALM[:40]
    world.produce(ticks)
    world.store(ticks[:17] + ticks[19:])
    result = world.reconcile()
    assert not result.holds
    assert result.missing == (ticks[17].tick_id, ticks[18].tick_id)
    assert "40 produced = 38 stored + 0 dead-lettered; missing 2" in result.line


def test_nothing_stored_at_all(world: World) -> None:
    world.produce(CALM[:25])
    result = world.reconcile()
    assert (len(result.missing), result.stored, result.holds) == (25, 0, False)


def test_other_runs_and_other_objects_are_left_out(world: World) -> None:
    world.produce(CALM[:20])
    world.store(CALM[:30])
    world.put("processed/TSLA/readme.txt", "not a record\n[1]\n\xff{}\n")
    world.put(f"processed/{CALM[0].symbol}/empty.json", "")
    world.put("curated/TSLA/1-x.json", "{}")
    world.kill([CONTRACT.encode(CALM[25])])
    result = world.reconcile()
    assert (result.produced, result.stored, result.other_dead_letters, result.holds) == (20, 20, 1, True)


def test_dead_letters_are_counted_with_their_reason_and_stay(world: World) -> None:
    ticks = CALM[:60]
    dead = ticks[5:32]  # more than SQS hands out at once
    world.produce(ticks)
    world.store([tick for tick in ticks if tick not in dead])
    world.kill([CONTRACT.encode(tick) for tick in dead])
    for _ in range(2):  # reading has changed nothing, so that it can be repeated
        result = world.reconcile()
        assert result.holds
        assert {letter.record_id for letter in result.dead_lettered} == {tick.tick_id for tick in dead}
        assert {letter.reason for letter in result.dead_lettered} == {"a valid tick: processing it failed"}
        assert "60 produced = 33 stored + 27 dead-lettered; missing 0" in result.line
    received = world.aws.sqs.receive_message(QueueUrl=world.dead_letter_queue, MaxNumberOfMessages=10)
    assert len(received["Messages"]) == 10, "they are visible to others again"


def test_an_invalid_dead_letter_tells_why_and_is_found_by_tick_or_message_id(world: World) -> None:
    by_tick, by_message = CALM[0], CALM[1]
    (message_id,) = world.kill(["{oops"])
    world.kill([CONTRACT.encode(by_tick).replace(f'"price":{by_tick.price}', '"price":-1')])
    with ManifestWriter(world.manifest) as writer:
        writer.append([Sent(by_tick, "another"), Sent(by_message, message_id)])
    result = world.reconcile()
    reasons = {letter.record_id: letter.reason for letter in result.dead_lettered}
    assert reasons[by_tick.tick_id] == "price -1.0 is not above 0"
    assert reasons[by_message.tick_id].startswith("body is not JSON")
    assert result.holds


def test_a_tick_under_two_keys_is_duplicated(world: World) -> None:
    world.produce(CALM[:5])
    world.store(CALM[:5])
    twice = CALM[2]
    second = f"processed/{twice.symbol}/1-{twice.tick_id}.json"
    world.put(second, record(twice))
    result = world.reconcile()
    assert not result.holds
    assert [each.record_id for each in result.duplicated] == [twice.tick_id]
    assert set(result.duplicated[0].places) == {second, CONTRACT.key(twice)}
    assert "missing 0, duplicated 1" in result.line


def test_a_dead_letter_that_sqs_does_not_count_yet_is_seen_before_all_is_well(world: World) -> None:
    # given a tick that is stored and dead-lettered, while SQS's count still says that there are no dead letters
    world.produce(CALM[:5])
    world.store(CALM[:5])
    world.kill([CONTRACT.encode(CALM[3])])

    def lag(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Attributes"] = dict.fromkeys(parsed["Attributes"], "0")

    world.aws.sqs.meta.events.register("after-call.sqs.GetQueueAttributes", lag)

    # when it is reconciled
    result = world.reconcile(wait_seconds=60, clock=Clock())

    # then the duplicate is named
    assert not result.holds
    assert [each.record_id for each in result.duplicated] == [CALM[3].tick_id]


def test_an_empty_manifest_proves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a run of which SQS accepted nothing
    world.produce([])
    world.manifest.touch()
    works_on(monkeypatch, world.environment)

    # when it is reconciled
    answer = stockpipe("reconcile", "--manifest", str(world.manifest), "--wait", "0")

    # then that is said, and it is no success
    assert answer.exit_code == 1
    assert f"SQS accepted no tick, {world.manifest} is empty" in answer.stderr
    assert answer.stdout.startswith("reconciled: 0 produced")


def test_an_empty_manifest_is_not_waited_for(world: World) -> None:
    clock = Clock()
    world.manifest.touch()
    assert not world.reconcile(wait_seconds=60, clock=clock).holds
    assert clock.now == 0


def test_stored_and_dead_lettered_is_duplicated_and_counted_once(world: World) -> None:
    world.produce(CALM[:5])
    world.store(CALM[:5])
    world.kill([CONTRACT.encode(CALM[3])])
    result = world.reconcile()
    assert not result.holds
    assert result.duplicated[0].places == (CONTRACT.key(CALM[3]), "the dead-letter queue")
    assert "5 produced = 5 stored + 0 dead-lettered; missing 0, duplicated 1" in result.line


def test_objects_with_several_ticks_are_read(world: World) -> None:
    ticks = [tick for tick in TICKS if tick.symbol == "AAPL"][:30]
    batches = [ticks[start : start + 10] for start in range(0, 30, 10)]
    world.produce(ticks)
    for batch in batches:
        world.put(CONTRACT.batch_key(batch), "".join(map(record, batch)))
    assert world.reconcile().line.startswith("reconciled: 30 produced = 30 stored + 0 dead-lettered; missing 0, dup")

    world.put(CONTRACT.batch_key(batches[0][:3]), "".join(map(record, batches[0][:3])))
    assert [each.record_id for each in world.reconcile().duplicated] == [tick.tick_id for tick in batches[0][:3]]


def test_threshold_and_cooldown_are_the_live_functions(world: World) -> None:
    ticks = [tick for tick in TICKS if tick.symbol == "AAPL"][:8]
    world.configure(ALERT_THRESHOLD=str(min(tick.price for tick in ticks)), ALERT_COOLDOWN_SECONDS="0")
    world.produce(ticks)
    world.store(ticks)
    assert {each.window for each in world.reconcile().unalerted} == {
        CONTRACT.alert_key("price", tick, 0) for tick in ticks
    }


def test_every_rule_that_applies_wants_its_alert(world: World) -> None:
    # given a volume rule that is turned on, and ticks whose price alerts, of which one has such a volume
    loud = sorted((tick for tick in TICKS if tick.price >= 1200), key=lambda tick: tick.volume)[-3:]
    world.configure(ALERT_VOLUME=str(loud[-1].volume), ALERT_COOLDOWN_SECONDS="0")
    world.produce(loud)
    world.store(loud)
    world.alert({CONTRACT.alert_key("price", tick, 0) for tick in loud})

    # then the alert of the volume is missing
    result = world.reconcile()
    assert [each.window for each in result.unalerted] == [CONTRACT.alert_key("volume", loud[-1], 0)]
    assert result.alerts == 3


def test_a_dead_lettered_tick_needs_no_alert(world: World) -> None:
    breaching = next(tick for tick in TICKS if tick.price >= 1200)
    world.produce([breaching])
    world.kill([CONTRACT.encode(breaching)])
    result = world.reconcile()
    assert (result.holds, result.unalerted) == (True, ())


def test_a_tick_in_two_manifests_was_produced_once(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    world.produce(CALM[:10])
    world.produce(CALM[5:15], path=other)
    world.store(CALM[:15])
    result = reconcile(world.environment, [world.manifest, other])
    assert (result.produced, result.stored, result.holds) == (15, 15, True)


def test_more_objects_than_a_page(world: World) -> None:
    ticks = list(islice(Market(1, CALM[0].event_time, groups=("AAPL",)).records(), 47))
    world.produce(ticks)
    world.store(ticks)
    pages = []

    def shorten(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = 10
        pages.append(params)

    world.aws.s3.meta.events.register("provide-client-params.s3.ListObjectsV2", shorten)
    assert world.reconcile().line.startswith("reconciled: 47 produced = 47 stored")
    assert len(pages) == 5


class Clock:
    """Each wait moves time on and lets the test change the world."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps: list[Any] = []

    def monotonic(self) -> float:
        return self.now

    def wait(self, _stop: object, seconds: float) -> None:
        self.now += seconds
        if self.steps:
            self.steps.pop(0)()


def test_it_waits_until_the_last_tick_is_there(world: World) -> None:
    clock = Clock()
    ticks = CALM[:10]
    world.produce(ticks)
    world.aws.sqs.send_message(QueueUrl=world.queue, MessageBody=CONTRACT.encode(ticks[9]))
    world.store(ticks[:9])

    def process() -> None:
        world.store(ticks[9:])
        world.aws.sqs.purge_queue(QueueUrl=world.queue)

    clock.steps = [lambda: None, lambda: None, process]
    told: list[str] = []
    result = world.reconcile(wait_seconds=60, clock=clock, observer=told.append)
    assert result.holds
    assert told == ["1 messages are in the queue"] * 3
    assert clock.now < 2


def test_it_gives_up_when_the_queue_has_been_idle_for_a_while(world: World) -> None:
    clock = Clock()
    world.produce(CALM[:3])
    result = world.reconcile(wait_seconds=3600, clock=clock)
    assert len(result.missing) == 3
    assert QUIET_SECONDS <= clock.now < QUIET_SECONDS + 1


def test_it_gives_up_when_there_is_no_progress(world: World) -> None:
    clock = Clock()
    world.produce(CALM[:3])
    world.aws.sqs.send_message(QueueUrl=world.queue, MessageBody=CONTRACT.encode(CALM[0]))
    result = world.reconcile(wait_seconds=5, clock=clock)
    assert (len(result.missing), result.queued) == (3, 1)
    assert clock.now == 5 + QUIET_SECONDS, "after a first look at the bucket, a second one tells that nothing moves"


def test_it_looks_once_where_it_is_not_to_wait(world: World) -> None:
    clock = Clock()
    world.produce(CALM[:3])
    world.aws.sqs.send_message(QueueUrl=world.queue, MessageBody=CONTRACT.encode(CALM[0]))
    assert (world.reconcile(clock=clock).queued, clock.now) == (1, 0)


def test_it_goes_on_for_as_long_as_the_queue_becomes_shorter(world: World) -> None:
    # given a queue that takes much longer than the wait to become empty
    clock = Clock()
    ticks = CALM[:20]
    world.produce(ticks)
    for tick in ticks:
        world.aws.sqs.send_message(QueueUrl=world.queue, MessageBody=CONTRACT.encode(tick))

    def process() -> None:
        (message,) = world.aws.sqs.receive_message(QueueUrl=world.queue)["Messages"]
        world.store([tick for tick in ticks if CONTRACT.encode(tick) == message["Body"]])
        world.aws.sqs.delete_message(QueueUrl=world.queue, ReceiptHandle=message["ReceiptHandle"])

    # when one message is processed every 1.5 seconds
    clock.steps = [step for _ in ticks for step in (*[lambda: None] * 5, process)]
    result = world.reconcile(wait_seconds=2, clock=clock)

    # then it waits for all of them
    assert (result.holds, result.stored, result.queued) == (True, 20, 0)
    assert clock.now > 25


def test_it_goes_on_for_as_long_as_more_is_stored_though_others_fill_the_queue(world: World) -> None:
    clock = Clock()
    ticks = CALM[:10]
    world.produce(ticks)
    world.aws.sqs.send_message(QueueUrl=world.queue, MessageBody="of somebody else")
    left = list(ticks)

    def process() -> None:
        world.store([left.pop()])
        world.aws.sqs.send_message(QueueUrl=world.queue, MessageBody="of somebody else")

    clock.steps = [step for _ in ticks for step in (*[lambda: None] * 3, process)]
    result = world.reconcile(wait_seconds=2, clock=clock)
    assert (result.holds, result.stored) == (True, 10)
    assert clock.now > 8


def test_giving_up_while_messages_are_queued_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.produce(CALM[:3])
    world.aws.sqs.send_message(QueueUrl=world.queue, MessageBody=CONTRACT.encode(CALM[0]))
    works_on(monkeypatch, world.environment)
    answer = stockpipe("reconcile", "--manifest", str(world.manifest), "--wait", "0")
    assert answer.exit_code == 1
    assert "1 messages are still in the queue: missing ticks may be among them." in answer.stderr


def test_an_environment_that_is_not_there_says_what_to_run(world: World) -> None:
    world.produce(CALM[:1])
    other = at(world.aws, stock_names(NAMES.account, "alice"))
    with pytest.raises(CannotRunError, match=r"no function alice-StockProcessor; run: stockpipe up .*--prefix alice"):
        reconcile(other, [world.manifest])


def test_a_bucket_that_is_gone_says_what_to_run(world: World) -> None:
    world.produce(CALM[:1])
    world.configure(BUCKET="gone")
    with pytest.raises(CannotRunError, match=r"no bucket gone; run: stockpipe up --profile moto"):
        world.reconcile()


def test_ticks_that_compaction_moved_are_stored_and_a_copy_is_no_duplicate(world: World, cache: Path) -> None:
    # given ticks of which half were compacted and deleted, and half compacted only
    ticks = CALM[:30]
    world.produce(ticks)
    world.store(ticks[:15])
    run_compaction(world.environment, "duckdb", delete_compacted=True)
    world.store(ticks[15:])
    run_compaction(world.environment, "duckdb")

    # when one of the copies is deleted by hand as well
    world.aws.s3.delete_object(Bucket=NAMES.bucket, Key=CONTRACT.key(ticks[20]))
    result = world.reconcile()

    # then each is stored once
    assert (result.stored, result.missing, result.duplicated, result.holds) == (30, (), (), True)


def test_what_is_neither_stored_nor_compacted_is_missing(world: World, cache: Path) -> None:
    world.produce(CALM[:20])
    world.store(CALM[1:20])
    run_compaction(world.environment, "duckdb", delete_compacted=True)
    result = world.reconcile()
    assert (result.stored, result.missing) == (19, (CALM[0].tick_id,))


def test_a_compacted_tick_that_is_dead_lettered_too_is_named(world: World, cache: Path) -> None:
    world.produce(CALM[:2])
    world.store(CALM[:2])
    run_compaction(world.environment, "duckdb", delete_compacted=True)
    world.kill([CONTRACT.encode(CALM[1])])
    (duplicate,) = world.reconcile().duplicated
    assert duplicate.record_id == CALM[1].tick_id
    assert [place.partition("/")[0] for place in duplicate.places] == ["curated", "the dead-letter queue"]


def test_curated_is_listed_only_where_something_is_missing(world: World) -> None:
    listed: list[str] = []
    world.aws.s3.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: listed.append(params["Prefix"])
    )
    world.produce(CALM[:5])
    world.store(CALM[:5])
    assert world.reconcile().holds
    assert "curated/" not in listed
    world.aws.s3.delete_object(Bucket=NAMES.bucket, Key=CONTRACT.key(CALM[0]))
    assert not world.reconcile().holds
    assert "curated/" in listed
