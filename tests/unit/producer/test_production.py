import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pipeline.contract import CONTRACT, Tick
from pipeline.source import Market
from producer.manifest import Sent, latest_path, read, sent_ids
from producer.production import MAX_HOLD_SECONDS, Production, Source, replayed, simulated
from producer.replay import Replay, ReplayError
from profiles.errors import CannotRunError
from profiles.names import Names
from tests.support.environments import at, stock_names

MARKET = Market(7, datetime(2026, 1, 5, 14, 30, tzinfo=UTC))
HEADER = "timestamp,symbol,price,volume\n"


def ids(count: int, market: Market = MARKET) -> list[str]:
    return [tick.tick_id for tick in islice(market.records(), count)]


@pytest.fixture
def produce(aws: Any, names: Names, clock: Any) -> Callable[..., Production]:
    """A production of the market's first 95 ticks, as fast as possible, unless told otherwise."""

    def make(source: Any = None, **options: Any) -> Production:
        source = source or simulated(MARKET, count=95, speed=None)
        return Production(at(aws, names), source, clock=clock, **options)

    return make


def test_all_ticks_are_sent_once_in_batches_of_ten_and_noted(produce: Callable[..., Production], sqs: Any) -> None:
    told: list[Sent] = []
    production = produce(on_record=told.append)
    summary = production.run()
    assert sorted(sqs.accepted_ids) == ids(95)
    assert sorted(map(len, sqs.calls)) == [5] + [10] * 9
    assert (summary.sent, summary.failed, summary.skipped) == (95, 0, 0)
    assert sent_ids(summary.manifest, CONTRACT) == {each.record.id for each in told} == set(ids(95))
    assert all(each.message_id == f"m-{each.record.id}" for each in read(summary.manifest, CONTRACT))


def test_each_record_carries_the_run_that_sent_it(produce: Callable[..., Production], sqs: Any) -> None:
    summary = produce().run()
    assert {json.loads(line)["run"] for line in summary.manifest.read_text().splitlines()} == {MARKET.run}
    assert {json.loads(body)["run"] for body in sqs.bodies} == {MARKET.run}


def test_an_invalid_record_ends_the_run_after_the_records_before_it(produce: Callable[..., Production]) -> None:
    good, bad = islice(MARKET.records(), 2)
    production = produce(Source("r", [good, replace(bad, price=-1.0)], None, None))
    with pytest.raises(CannotRunError, match=r"the source made an invalid tick: price -1\.0 is not above 0"):
        production.run()
    assert production.sent == 1


class Departures:
    """Stands in for the sender: notes which batch left at which second since the start, and takes `busy` seconds."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.began = clock.monotonic()
        self.busy = 0.0
        self.batches: list[tuple[float, list[str]]] = []
        self.late = False

    def __call__(self, *_: object, accepted: Callable[[list[Sent]], None], **__: object) -> "Departures":
        self.accepted = accepted
        return self

    def __enter__(self) -> "Departures":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def submit(self, records: list[Tick]) -> None:
        self.batches.append((self.clock.monotonic() - self.began, [record.id for record in records]))
        self.clock.pass_by(self.busy)
        self.accepted([Sent(record, "m") for record in records])


@pytest.fixture
def departures(clock: Any, monkeypatch: pytest.MonkeyPatch) -> Departures:
    stand_in = Departures(clock)
    monkeypatch.setattr("producer.production.Sender", stand_in)
    return stand_in


@pytest.mark.parametrize("busy", [0.0, 0.07])
@pytest.mark.parametrize("rate", [0.5, 2, 20, 99, 1000])
def test_each_tick_leaves_when_it_is_due_and_delays_do_not_add_up(
    produce: Callable[..., Production], departures: Departures, rate: float, busy: float
) -> None:
    """Never early; late by no more than the time it may be held to fill a batch, and a busy sender's last call."""
    departures.busy = busy
    market = Market(7, MARKET.start, rate=rate)
    produce(simulated(market, count=300)).run()
    left = [(moment, tick_id) for moment, batch in departures.batches for tick_id in batch]
    assert [tick_id for _, tick_id in left] == ids(300, market)
    for number, (moment, _) in enumerate(left):
        late = moment - number / rate
        assert late > -1e-3  # event times are whole milliseconds
        if busy * rate < 10:  # else the sender is slower than the market
            assert late <= MAX_HOLD_SECONDS + busy + 1e-3


def test_at_a_low_rate_no_tick_waits_for_company(produce: Callable[..., Production], departures: Departures) -> None:
    slow = Market(7, MARKET.start, rate=2)
    produce(simulated(slow, count=6)).run()
    assert [batch for _, batch in departures.batches] == [[tick_id] for tick_id in ids(6, slow)]
    assert [round(moment, 3) for moment, _ in departures.batches] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]


def test_a_speed_of_sixty_plays_a_minute_in_a_second(
    produce: Callable[..., Production], departures: Departures, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "".join(f"2026-01-05T14:{minute:02}:00Z,TSLA,1,1\n" for minute in range(5)))
    produce(replayed(Replay(path, CONTRACT), speed=60.0)).run()
    assert [round(moment, 3) for moment, _ in departures.batches] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_entries_that_sqs_could_not_take_are_sent_again_alone(produce: Callable[..., Production], sqs: Any) -> None:
    weak = set(ids(95)[::7])
    sqs.answer = lambda tick_id, attempt: (
        {"Code": "InternalError", "SenderFault": False, "Message": "later"} if tick_id in weak and attempt < 4 else None
    )
    summary = produce().run()
    assert (summary.sent, summary.failed) == (95, 0)
    assert {tick_id: sqs.attempts[tick_id] for tick_id in weak} == dict.fromkeys(weak, 4)
    assert {attempts for tick_id, attempts in sqs.attempts.items() if tick_id not in weak} == {1}
    assert sorted(each.record.id for each in read(summary.manifest, CONTRACT)) == ids(95)


def test_what_the_sender_is_to_blame_for_is_not_sent_again(produce: Callable[..., Production], sqs: Any) -> None:
    bad = ids(95)[3]
    sqs.answer = lambda tick_id, _: (
        {"Code": "InvalidMessageContents", "SenderFault": True, "Message": "bad"} if tick_id == bad else None
    )
    summary = produce().run()
    (failure,) = summary.failures
    assert (failure.record_id, failure.code, failure.sender_fault) == (bad, "InvalidMessageContents", True)
    assert (summary.sent, summary.failed, sqs.attempts[bad]) == (94, 1, 1)
    assert bad not in sent_ids(summary.manifest, CONTRACT)


def test_entries_that_fail_for_good_are_given_up_after_a_while(
    produce: Callable[..., Production], sqs: Any, clock: Any
) -> None:
    bad = ids(95)[3]
    sqs.answer = lambda tick_id, _: (
        {"Code": "InternalError", "SenderFault": False, "Message": "no"} if tick_id == bad else None
    )
    summary = produce().run()
    assert (summary.sent, summary.failed) == (94, 1)
    assert summary.failures[0].code == "InternalError"
    assert sqs.attempts[bad] > 10
    assert max(clock.waits) > 10 * min(clock.waits), "it backs off"


@pytest.mark.parametrize(
    "outage",
    [
        EndpointConnectionError(endpoint_url="http://localhost"),
        "ServiceUnavailable 503",
        "Throttling 400",
        "AWS.SimpleQueueService.NonExistentQueue 400",
    ],
    ids=str,
)
def test_an_outage_is_sat_out(
    produce: Callable[..., Production], sqs: Any, outage: Exception | str, aws_error: Callable[[str, int], ClientError]
) -> None:
    def fail(number: int) -> None:
        if number <= 20:
            if isinstance(outage, Exception):
                raise outage
            code, status = outage.split()
            raise aws_error(code, int(status))

    sqs.before_call = fail
    summary = produce().run()
    assert (summary.sent, summary.failed) == (95, 0)
    assert sorted(sqs.accepted_ids) == ids(95)


def test_a_refusal_ends_the_run_with_its_reason(
    produce: Callable[..., Production], sqs: Any, aws_error: Callable[[str, int], ClientError]
) -> None:
    def fail(number: int) -> None:
        if number > 3:
            raise aws_error("AccessDenied", 403)

    sqs.before_call = fail
    production = produce(simulated(MARKET, speed=None))  # without end: only the refusal ends it
    with pytest.raises(CannotRunError, match=r"SQS refused the ticks: .*AccessDenied"):
        production.run()
    assert production.sent == 30
    assert len(sent_ids(production.manifest, CONTRACT)) == 30


def test_stopping_finishes_what_is_on_its_way(produce: Callable[..., Production], sqs: Any) -> None:
    stop = threading.Event()
    production = produce(
        simulated(MARKET, speed=None),
        stop=stop,
        on_record=lambda sent: stop.set() if sent.record.id == ids(51)[50] else None,
    )
    summary = production.run()
    accepted = sorted(sqs.accepted_ids)
    assert accepted == ids(len(accepted)), "without a gap: nothing that was begun is left out"
    assert sent_ids(summary.manifest, CONTRACT) == set(accepted)
    assert summary.sent == len(accepted) >= 51


def test_a_stopped_run_does_not_sit_an_outage_out(produce: Callable[..., Production], sqs: Any) -> None:
    stop = threading.Event()

    def fail(_number: int) -> None:
        stop.set()
        raise EndpointConnectionError(endpoint_url="http://localhost")

    sqs.before_call = fail
    summary = produce(stop=stop).run()
    assert summary.sent == 0
    assert summary.failed > 0
    assert {failure.code for failure in summary.failures} == {"EndpointConnectionError"}


def test_ticks_before_a_bad_line_are_sent_and_resume_sends_exactly_the_rest(
    produce: Callable[..., Production], sqs: Any, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    rows = [f"2026-01-05T14:30:00Z,TSLA,{price},1\n" for price in range(1, 40)]
    path.write_text(HEADER + "".join([*rows[:23], "oops\n", *rows[23:]]))
    broken = produce(replayed(Replay(path, CONTRACT)))
    with pytest.raises(ReplayError, match="line 25"):
        broken.run()
    assert broken.summary().sent == 23

    path.write_text(HEADER + "".join(rows))
    mended = produce(replayed(Replay(path, CONTRACT)), resume=True)
    summary = mended.run()
    assert (summary.skipped, summary.sent, summary.manifest) == (23, 16, broken.manifest)
    assert sorted(sqs.accepted_ids) == sorted(record.id for record in Replay(path, CONTRACT).records())


@pytest.mark.parametrize("lines", range(0, 31, 3))
@pytest.mark.parametrize("torn", [0, 17])
def test_resuming_after_a_kill_loses_nothing_and_makes_no_other_tick(
    produce: Callable[..., Production], lines: int, torn: int
) -> None:
    """Killed after `lines` lines of the manifest and `torn` bytes of the next one."""
    source = simulated(MARKET, count=30, speed=None)
    first = produce(source).run()
    whole = first.manifest.read_bytes().splitlines(keepends=True)
    left = b"".join(whole[:lines]) + (whole[lines][:torn] if lines < len(whole) else b"")
    first.manifest.write_bytes(left)

    second = produce(simulated(MARKET, count=30, speed=None), resume=True).run()
    assert (second.skipped, second.sent) == (lines, 30 - lines)
    assert sorted(each.record.id for each in read(second.manifest, CONTRACT)) == ids(30)


def test_resuming_what_never_ran_starts_from_the_beginning(produce: Callable[..., Production], names: Names) -> None:
    production = produce(resume=True)
    assert not production.resumed
    assert production.run().sent == 95


def test_a_run_that_sent_nothing_leaves_no_manifest_that_hides_the_last_one(
    produce: Callable[..., Production], aws: Any, names: Names, tmp_path: Path
) -> None:
    # given a run, and after it one of a file without the columns, and one of no ticks
    last = produce().run()
    path = tmp_path / "t.csv"
    path.write_text("when,what\n")
    nothing = [produce(replayed(Replay(path, CONTRACT))), produce(simulated(MARKET, count=0))]
    with pytest.raises(ReplayError):
        nothing[0].run()
    assert nothing[1].run().line(CONTRACT).endswith("no manifest")

    # then the last manifest is that of the run
    assert not any(production.manifest.exists() for production in nothing)
    assert latest_path(at(aws, names)) == last.manifest
    assert last.line(CONTRACT).endswith(f"manifest {last.manifest}")


def test_a_named_manifest_is_not_overwritten(produce: Callable[..., Production], tmp_path: Path) -> None:
    path = tmp_path / "named.jsonl"
    produce(manifest=path).run()
    with pytest.raises(CannotRunError, match="exists: continue it with --resume"):
        produce(manifest=path).run()
    assert produce(manifest=path, resume=True).run().skipped == 95


def test_a_slow_queue_slows_the_source_down(produce: Callable[..., Production], sqs: Any) -> None:
    """Not more than a few batches are read ahead of what SQS has accepted, however long the source is."""
    ahead: list[int] = []
    taken = 0

    def ticks() -> Any:
        nonlocal taken
        for tick in islice(MARKET.records(), 2000):
            taken += 1
            ahead.append(taken - len(sqs.accepted))
            yield tick

    production = produce(Source(MARKET.run, ticks(), None, None))
    assert production.run().sent == 2000
    assert max(ahead) <= 10 * (2 * 8 + 2)


def test_a_missing_queue_says_what_to_run(aws: Any, sqs: Any, aws_error: Callable[[str, int], ClientError]) -> None:
    def missing(**_: str) -> Any:
        raise aws_error("AWS.SimpleQueueService.NonExistentQueue", 400)

    sqs.get_queue_url = missing
    with pytest.raises(CannotRunError, match=r"no queue alice-StockQueue .*run: stockpipe up --prefix alice"):
        Production(at(aws, stock_names("000000000000", "alice")), simulated(MARKET, count=1))
