"""Batches: neighbours, duplicates, faults, redeliveries, layouts. Nothing is lost, nothing is stored twice."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.rules import Settings
from runtime.batch import BatchResult, MalformedEventError
from runtime.deadline import ANSWER_MS
from tests.unit.runtime.fakes import FakeAws, client_error, stock_processor

SENT_MS = 1_767_623_400_500
TIME = "2026-01-05T14:30:00Z"
VISIBILITY_SECONDS = 180
WORKERS = 8


class Function:
    """A processor on fake AWS, as one warm Lambda environment has it."""

    def __init__(self, aws: FakeAws, pool: ThreadPoolExecutor, layout: str = "record", **told: Any) -> None:
        self.time = aws.time
        self._processor = stock_processor(aws, pool, Settings(object_layout=layout, **told))

    def receive(self, *records: Any, remaining_ms: int = 30_000) -> BatchResult:
        deadline = self.time.deadline(remaining_ms)
        return self._processor.process({"Records": list(records)}, request_id="r-1", deadline=deadline)


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WORKERS) as executor:
        yield executor


def message(
    tick_id: str, symbol: str = "TSLA", price: float = 100.0, timestamp: str = TIME, volume: int = 1
) -> dict[str, Any]:
    body = {"tick_id": tick_id, "symbol": symbol, "price": price, "volume": volume, "timestamp": timestamp}
    return raw(f"m-{tick_id}", json.dumps(body))


def raw(message_id: str, body: Any) -> dict[str, Any]:
    return {"messageId": message_id, "body": body, "attributes": {"SentTimestamp": str(SENT_MS)}}


def failed(result: BatchResult) -> list[str]:
    return [item["itemIdentifier"] for item in result.response()["batchItemFailures"]]


def stored_ids(aws: FakeAws) -> list[str]:
    """Tick ids of all stored lines."""
    return sorted(
        json.loads(line)["tick_id"]
        for key in aws.keys("processed/")
        for line in aws.objects[key][0].decode().splitlines()
    )


def fault(error: Exception, when: Callable[[str, dict[str, Any]], bool]) -> Callable[..., None]:
    def hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "before" and when(operation, parameters):
            raise error

    return hook


def test_ticks_become_records_on_their_keys(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()
    result = Function(aws, pool).receive(message("a"), message("b", symbol="AAPL"))
    assert failed(result) == []
    assert aws.keys("") == ["processed/AAPL/1767623400000-b.json", "processed/TSLA/1767623400000-a.json"]
    body, metadata = aws.objects["processed/TSLA/1767623400000-a.json"]
    assert metadata == {"request-id": "r-1"}
    assert json.loads(body) == {
        "tick_id": "a",
        "symbol": "TSLA",
        "price": 100.0,
        "volume": 1,
        "timestamp": TIME,
        "event_time": "2026-01-05T14:30:00.000Z",
        "processed_at": "2026-01-05T14:30:01.000Z",
        "latency_ms": 500,
        "alert": False,
    }
    assert (result.stored, result.latencies_ms, result.duplicates) == (2, [500, 500], 0)


@pytest.mark.parametrize(
    ("record", "message_id", "reason"),
    [
        (raw("bad", "{"), "bad", "not JSON"),
        (raw("bad", None), "bad", "no body"),
        (raw("bad", 7), "bad", "no body"),
        ({"messageId": "bad"}, "bad", "no body"),
        ({"messageId": "bad", "body": "{}"}, "bad", "no SentTimestamp"),
        ({"messageId": "bad", "body": "{}", "attributes": {"SentTimestamp": "soon"}}, "bad", "no SentTimestamp"),
        ({"messageId": "bad", "body": "{}", "attributes": {"SentTimestamp": "9" * 20}}, "bad", "no SentTimestamp"),
        ({"body": "{"}, "", "no SentTimestamp"),
        (None, "", "no body"),
        ([], "", "no body"),
    ],
)
def test_a_bad_message_fails_alone(record: Any, message_id: str, reason: str, pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()
    result = Function(aws, pool).receive(message("a"), record, message("b", price=1300))
    assert failed(result) == [message_id]
    assert reason in result.failures[0].reason
    assert result.failures[0].rejected
    assert stored_ids(aws) == ["a", "b"]
    assert len(aws.published) == 1


def test_a_batch_of_bad_messages_is_answered_and_not_raised(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()
    result = Function(aws, pool).receive(*(raw(f"m{index}", "nonsense") for index in range(10)))
    assert failed(result) == [f"m{index}" for index in range(10)]
    assert aws.calls == []


@pytest.mark.parametrize("event", [None, [], {}, {"Records": None}, {"Records": {}}, "x"])
def test_an_event_that_is_no_batch_is_refused_as_a_whole(event: Any, pool: ThreadPoolExecutor) -> None:
    function = Function(FakeAws(), pool)
    with pytest.raises(MalformedEventError):
        function._processor.process(event, request_id="r", deadline=function.time.deadline())


def test_an_empty_batch_has_no_failures(pool: ThreadPoolExecutor) -> None:
    assert Function(FakeAws(), pool).receive().response() == {"batchItemFailures": []}


def test_the_excerpt_of_a_bad_body_is_short_ascii(pool: ThreadPoolExecutor) -> None:
    result = Function(FakeAws(), pool).receive(raw("m", "\x1b[31m\n\ud800é" * 1000))
    excerpt = result.failures[0].body
    assert len(excerpt) <= 200
    assert excerpt.isascii()
    assert excerpt.isprintable()


@pytest.mark.parametrize("layout", ["record", "batch"])
def test_a_redelivery_lands_on_the_same_keys(layout: str, pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()
    batch = [message("a"), message("b", price=1300), message("c", symbol="AAPL")]
    Function(aws, pool, layout).receive(*batch)
    objects = dict(aws.objects)
    result = Function(aws, pool, layout).receive(*reversed(batch))
    assert failed(result) == []
    assert aws.objects == objects
    assert (result.stored, result.duplicates, result.alerts_published) == (0, 3, 0)
    assert len(aws.published) == 1


@pytest.mark.parametrize("layout", ["record", "batch"])
def test_the_same_tick_twice_in_one_batch_is_stored_once(layout: str, pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()
    twice = {**message("a"), "messageId": "again"}
    result = Function(aws, pool, layout).receive(message("a"), twice, message("b"))
    assert failed(result) == []
    assert stored_ids(aws) == ["a", "b"]
    assert (result.stored, result.duplicates) == (2, 1)


def test_both_messages_of_a_tick_that_cannot_be_stored_fail(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws(fault(client_error("PutObject", "SlowDown", 503), lambda operation, _: operation == "PutObject"))
    result = Function(aws, pool).receive(message("a"), {**message("a"), "messageId": "again"})
    assert failed(result) == ["m-a", "again"]


@pytest.mark.parametrize("code", ["SlowDown", "AccessDenied", "NoSuchBucket", "InternalError"])
def test_a_refused_put_fails_its_own_tick_only(code: str, pool: ThreadPoolExecutor) -> None:
    aws = FakeAws(fault(client_error("PutObject", code, 503), lambda _, put: "-b.json" in put["Key"]))
    result = Function(aws, pool).receive(message("a"), message("b"), message("c"))
    assert failed(result) == ["m-b"]
    assert code in result.failures[0].reason
    assert result.failures[0].record_id == "b"
    assert not result.failures[0].rejected
    assert stored_ids(aws) == ["a", "c"]


def test_a_conflict_between_conditional_writes_is_tried_again(pool: ThreadPoolExecutor) -> None:
    conflicts = [client_error("PutObject", "ConditionalRequestConflict", 409)] * 4

    def hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "before" and conflicts:
            raise conflicts.pop()

    aws = FakeAws(hook)
    function = Function(aws, pool)
    assert failed(function.receive(message("a"))) == []
    assert stored_ids(aws) == ["a"]
    assert function.time.slept == [0.05, 0.1, 0.2, 0.4]


def test_a_conflict_that_does_not_end_is_left_to_sqs(pool: ThreadPoolExecutor) -> None:
    conflict = client_error("PutObject", "ConditionalRequestConflict", 409)
    aws = FakeAws(fault(conflict, lambda operation, _: operation == "PutObject"))
    assert failed(Function(aws, pool).receive(message("a"))) == ["m-a"]


def test_a_breach_is_at_or_above_the_threshold(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()
    Function(aws, pool, alert_cooldown_seconds=0).receive(
        message("a", price=1199.99), message("b", price=1200), message("c", price=1200.01)
    )
    assert sorted(json.loads(alert["Message"])["tick_id"] for alert in aws.published) == ["b", "c"]
    assert [json.loads(aws.objects[key][0])["alert"] for key in aws.keys("processed/")] == [False, True, True]
    assert aws.keys("alerts/") == ["alerts/price/TSLA/1767623400000-b.json", "alerts/price/TSLA/1767623400000-c.json"]


def test_a_window_has_one_alert_about_its_earliest_tick(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()
    result = Function(aws, pool).receive(
        message("late", price=1300, timestamp="2026-01-05T14:30:59Z"),
        message("early", price=1250, timestamp="2026-01-05T14:30:01Z"),
        message("next", price=1400, timestamp="2026-01-05T14:31:00Z"),
        message("other", symbol="AAPL", price=1500),
    )
    assert sorted(json.loads(alert["Message"])["tick_id"] for alert in aws.published) == ["early", "next", "other"]
    assert (result.alerts_published, result.alerts_suppressed) == (3, 1)
    assert stored_ids(aws) == ["early", "late", "next", "other"]


@pytest.mark.parametrize("layout", ["record", "batch"])
def test_a_tick_whose_alert_cannot_be_sent_is_not_stored(layout: str, pool: ThreadPoolExecutor) -> None:
    aws = FakeAws(fault(client_error("Publish", "Throttled", 429), lambda operation, _: operation == "Publish"))
    result = Function(aws, pool, layout).receive(
        message("a"), message("b", price=1300), message("c", price=1301), message("d", symbol="AAPL")
    )
    assert failed(result) == ["m-b", "m-c"]
    assert "Throttled" in result.failures[0].reason
    assert stored_ids(aws) == ["a", "d"]


def alerts(aws: FakeAws) -> list[tuple[str, str]]:
    """(rule, tick id) of each alert."""
    told = [json.loads(alert["Message"]) for alert in aws.published]
    return sorted((message["rule"], message["tick_id"]) for message in told)


def test_a_tick_to_which_two_rules_apply_has_an_alert_and_a_marker_for_each(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()

    result = Function(aws, pool, alert_volume=500).receive(
        message("price", price=1300, timestamp="2026-01-05T14:30:01Z"),
        message("both", price=1300, volume=500),
        message("volume", volume=501, timestamp="2026-01-05T14:30:02Z"),
        message("none", volume=499),
    )

    assert failed(result) == []
    assert alerts(aws) == [("price", "both"), ("volume", "both")]
    assert aws.keys("alerts/") == ["alerts/price/TSLA/1767623400000.json", "alerts/volume/TSLA/1767623400000.json"]
    assert (result.alerts_published, result.alerts_suppressed) == (2, 2)
    stored = [json.loads(aws.objects[key][0]) for key in aws.keys("processed/")]
    assert {record["tick_id"]: record["alert"] for record in stored} == {
        "both": True,
        "none": False,
        "price": True,
        "volume": True,
    }


@pytest.mark.parametrize("layout", ["record", "batch"])
@pytest.mark.parametrize("rules", [["price"], ["volume"], ["price", "volume"]])
def test_a_tick_that_lacks_one_of_its_alerts_fails_once_and_is_not_stored(
    rules: list[str], layout: str, pool: ThreadPoolExecutor
) -> None:
    # given SNS refuses the alerts of some rules
    refused = client_error("Publish", "Throttled", 429)
    aws = FakeAws(fault(refused, lambda operation, put: operation == "Publish" and rule_of(put) in rules))

    # when a tick arrives to which both rules apply, and one to which none does
    result = Function(aws, pool, layout, alert_volume=500).receive(
        message("both", price=1300, volume=500), message("none")
    )

    # then it fails once, and the other alert is sent
    assert failed(result) == ["m-both"]
    assert stored_ids(aws) == ["none"]
    assert alerts(aws) == sorted((rule, "both") for rule in {"price", "volume"} - set(rules))

    # and a redelivery sends what was missing, and stores the tick
    aws.hook = FakeAws().hook
    again = Function(aws, pool, layout, alert_volume=500).receive(message("both", price=1300, volume=500))
    assert failed(again) == []
    assert stored_ids(aws) == ["both", "none"]
    assert alerts(aws) == [("price", "both"), ("volume", "both")]


def rule_of(published: dict[str, Any]) -> str:
    return str(published["MessageAttributes"]["rule"]["StringValue"])


def test_after_trouble_with_sns_a_redelivery_alerts_and_stores(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws(fault(client_error("Publish", "Throttled", 429), lambda operation, _: operation == "Publish"))
    Function(aws, pool).receive(message("b", price=1300))
    aws.hook = FakeAws().hook
    result = Function(aws, pool).receive(message("b", price=1300))
    assert failed(result) == []
    assert len(aws.published) == 1
    assert stored_ids(aws) == ["b"]


def test_a_tick_that_was_alerted_but_not_stored_is_stored_later_without_a_second_alert(
    pool: ThreadPoolExecutor,
) -> None:
    aws = FakeAws(fault(client_error("PutObject", "SlowDown", 503), lambda _, put: "processed/" in put.get("Key", "")))
    assert failed(Function(aws, pool).receive(message("b", price=1300))) == ["m-b"]
    aws.hook = FakeAws().hook
    assert failed(Function(aws, pool).receive(message("b", price=1300))) == []
    assert len(aws.published) == 1
    assert stored_ids(aws) == ["b"]


def test_quiet_ticks_are_stored_while_sns_hangs(pool: ThreadPoolExecutor) -> None:
    """The publish ends only when the quiet tick is there: were it stored afterwards, this would never end."""
    aws = FakeAws()
    stored = threading.Event()

    def hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "after" and "-quiet.json" in parameters.get("Key", ""):
            stored.set()
        if moment == "before" and operation == "Publish":
            assert stored.wait(30)

    aws.hook = hook
    assert failed(Function(aws, pool).receive(message("loud", price=1300), message("quiet"))) == []


def test_a_put_that_hangs_fails_its_own_tick_before_the_function_times_out(pool: ThreadPoolExecutor) -> None:
    released = threading.Event()

    def hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if "-hangs.json" in parameters["Key"]:
            released.wait(30)

    aws = FakeAws(hook)
    try:
        result = Function(aws, pool).receive(message("stored"), message("hangs"), remaining_ms=ANSWER_MS + 50)
    finally:
        released.set()
    assert failed(result) == ["m-hangs"]
    assert "OutOfTimeError" in result.failures[0].reason
    assert result.stored == 1


class Frozen:
    """A first invocation that is frozen, after it has answered, around one step of its only tick."""

    def __init__(self, moment: str, what: str, pool: ThreadPoolExecutor) -> None:
        self._at = (moment, what)
        self._pool = pool
        self._hangs, self._goes_on = threading.Event(), threading.Event()
        self._thread = 0
        self.begun_since: list[str] = []
        self.aws = FakeAws(self._hook)
        self.function = Function(self.aws, pool)
        result = self.function.receive(message("b", price=1300), remaining_ms=ANSWER_MS + 300)
        assert self._hangs.is_set()
        assert failed(result) == ["m-b"]

    def _hook(self, moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "before" and threading.get_ident() == self._thread:
            self.begun_since.append(operation)
        if (moment, step(operation, parameters)) == self._at and not self._hangs.is_set():
            self._thread = threading.get_ident()
            self._hangs.set()
            assert self._goes_on.wait(30)

    def thaw(self) -> None:
        """Let its thread go on to its end."""
        self._goes_on.set()
        settled(self._pool)


@pytest.mark.parametrize(
    ("moment", "what", "alerts"),
    [
        ("before", "claim", 1),
        ("after", "claim", 1),
        ("before", "publish", 2),
        ("after", "publish", 2),
        ("before", "mark", 2),
        ("after", "mark", 1),
        ("before", "store", 1),
        ("after", "store", 1),
    ],
)
def test_a_thawed_function_begins_nothing_after_its_deadline(
    moment: str, what: str, alerts: int, pool: ThreadPoolExecutor
) -> None:
    frozen = Frozen(moment, what, pool)
    # When: SQS delivers the tick again, and the thread of the first invocation goes on
    frozen.aws.time.sleep(VISIBILITY_SECONDS)
    assert failed(frozen.function.receive(message("b", price=1300))) == []
    frozen.thaw()
    # Then: it has begun nothing, the tick is stored once, and the alert repeats only where its outcome was not recorded
    assert frozen.begun_since == []
    assert stored_ids(frozen.aws) == ["b"]
    assert len(frozen.aws.published) == alerts


@pytest.mark.parametrize("what", ["claim", "publish", "mark", "store"])
def test_a_thawed_function_begins_nothing_though_the_clock_of_its_host_is_behind(
    what: str, pool: ThreadPoolExecutor
) -> None:
    frozen = Frozen("after", what, pool)
    frozen.thaw()  # by its clock no time has gone by
    assert frozen.begun_since == []
    assert len(frozen.aws.published) == (0 if what == "claim" else 1)


def step(operation: str, parameters: dict[str, Any]) -> str:
    """Which step of the processing of a breaching tick a call is."""
    if operation != "PutObject":
        return "publish" if operation == "Publish" else "read the marker"
    if parameters["Key"].startswith("processed/"):
        return "store"
    return "mark" if "IfMatch" in parameters else "claim"


def test_work_that_has_not_begun_at_the_deadline_never_begins(pool: ThreadPoolExecutor) -> None:
    released = threading.Event()

    def hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "before":
            assert released.wait(30)

    aws = FakeAws(hook)
    ticks = [message(f"t{index}") for index in range(3 * WORKERS)]
    result = Function(aws, pool).receive(*ticks, remaining_ms=ANSWER_MS + 5)
    assert len(failed(result)) == len(ticks)
    released.set()
    settled(pool)
    assert len(aws.calls) == WORKERS


def settled(pool: ThreadPoolExecutor) -> None:
    """Wait until the pool's threads have ended all that they were given: each takes one part of a barrier."""
    together = threading.Barrier(WORKERS)
    for part in [pool.submit(together.wait, 30) for _ in range(WORKERS)]:
        part.result()


def test_the_batch_layout_writes_one_sorted_object_per_symbol(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws()
    result = Function(aws, pool, "batch").receive(
        message("b", timestamp="2026-01-05T14:30:02Z"),
        message("a"),
        message("c", symbol="AAPL"),
        message("d", price=1300),
    )
    tesla, *others = aws.keys("processed/TSLA/")
    assert others == []
    assert tesla.startswith("processed/TSLA/1767623400000-batch.")
    lines = aws.objects[tesla][0].decode()
    assert lines.endswith("\n")
    assert [json.loads(line)["tick_id"] for line in lines.splitlines()] == ["a", "d", "b"]
    assert len(aws.keys("processed/AAPL/")) == 1
    assert result.stored == 4


def test_a_refused_put_fails_every_tick_of_its_object(pool: ThreadPoolExecutor) -> None:
    aws = FakeAws(fault(client_error("PutObject", "SlowDown", 503), lambda _, put: "/TSLA/" in put["Key"]))
    result = Function(aws, pool, "batch").receive(message("a"), message("b"), message("c", symbol="AAPL"))
    assert failed(result) == ["m-a", "m-b"]
    assert stored_ids(aws) == ["c"]


generated = st.tuples(st.integers(0, 6), st.sampled_from(["TSLA", "AAPL"]), st.sampled_from([100.0, 1200.0]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layout=st.sampled_from(["record", "batch"]),
    volume=st.sampled_from([None, 1]),  # with 1, two rules apply to some ticks and one to the others
    batch=st.lists(generated, min_size=1, max_size=8),
    faults=st.lists(st.booleans(), max_size=20),
)
def test_every_tick_ends_stored_once_when_its_failures_are_delivered_again(
    layout: str,
    volume: int | None,
    batch: list[tuple[int, str, float]],
    faults: list[bool],
    pool: ThreadPoolExecutor,
) -> None:
    # Given: ticks, some of them twice, on an AWS that refuses some calls
    left = list(faults)

    def hook(moment: str, operation: str, parameters: dict[str, Any]) -> None:
        if moment == "before" and left and left.pop():
            raise client_error(operation, "InternalError", 500)

    aws = FakeAws(hook)
    pending = {
        f"m{index}": {**message(f"{number}-{symbol}-{price:.0f}", symbol, price), "messageId": f"m{index}"}
        for index, (number, symbol, price) in enumerate(batch)
    }
    # When: SQS delivers what failed, again and again
    deliveries = 0
    while pending:
        result = Function(aws, pool, layout, alert_volume=volume).receive(*pending.values())
        pending = {message_id: pending[message_id] for message_id in failed(result)}
        aws.time.sleep(VISIBILITY_SECONDS)
        deliveries += 1
        assert deliveries <= len(faults) + 1
    # Then: each tick is stored (in the layout `record` once), and each symbol has the alerts that it must have
    wanted = sorted({f"{number}-{symbol}-{price:.0f}" for number, symbol, price in batch})
    ids = stored_ids(aws)
    assert sorted(set(ids)) == wanted
    if layout == "record":
        assert ids == wanted
    breached = {("price", symbol) for _, symbol, price in batch if price >= 1200}
    traded = {("volume", symbol) for _, symbol, _ in batch if volume}
    told = [json.loads(alert["Message"]) for alert in aws.published]
    assert {(alert["rule"], alert["symbol"]) for alert in told} == breached | traded
