"""What is known, and how it is read: of the live function the same variables, by the same rules, as it reads itself."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from console.model import FunctionFacts, Model, Sources, Update
from operations.alerts import Alert
from operations.function_log import Invocation
from operations.queues import Depth
from profiles.session import Aws, open_endpoint
from runtime.clock import Clock
from tests.support.environments import at, stock_names
from tests.unit.console.seen import seen

TOLD = {"BUCKET": "bucket", "SNS_TOPIC_ARN": "topic"}


def test_ticks_sent_are_all_that_are_somewhere() -> None:
    model = Model(queue=Depth(waiting=3, in_flight=2, delayed=1), dead=Depth(waiting=4), objects=10)

    assert model.sent == 20


def test_nothing_is_claimed_before_it_is_known() -> None:
    model = Model(queue=Depth(), dead=Depth())

    assert model.sent is None
    assert model.stored is None
    assert model.latency_percentiles() == (None, None, None)


def test_with_the_batch_layout_records_are_estimated_from_those_read() -> None:
    model = Model(objects=10, records_read=20, objects_read=8)

    assert model.stored == 25


def test_what_was_there_before_is_not_counted_as_stored() -> None:
    model = Model(objects=10, objects_before=7)

    assert model.stored == 3


def test_an_invocation_that_is_read_twice_counts_once() -> None:
    model = Model()
    one, two = (Invocation(name, 1, 10.0, failed=name == "b", cold=False) for name in "ab")

    model.add_invocations([one, two])
    model.add_invocations([two])

    assert (model.invocations_total, model.invocations_failed) == (2, 1)


def test_records_of_deleted_objects_are_forgotten() -> None:
    model = Model()
    model.add_records([seen(1), seen(2), seen(3, symbol="AAPL")])

    model.count_objects({"k-1", "k-2", "k-3"}, are_more=False)
    model.count_objects({"k-2"}, are_more=False)

    assert list(model.series) == ["TSLA"]
    assert [known.key for known in model.last_records] == ["k-2"]
    assert model.objects == 1


@pytest.fixture
def aws() -> Aws:
    return open_endpoint("http://127.0.0.1:1")


@pytest.fixture
def stub(aws: Aws) -> Iterator[Stubber]:
    with Stubber(aws.lambda_) as stubber:
        yield stubber


def facts(aws: Aws, stub: Stubber, variables: dict[str, str]) -> FunctionFacts:
    answer: dict[str, Any] = {"Environment": {"Variables": variables}}
    mapping = {"State": "Enabled", "FunctionArn": "arn:aws:lambda:us-east-2:000000000000:function:StockProcessor"}
    stub.add_response("list_event_source_mappings", {"EventSourceMappings": [mapping]})
    stub.add_response("get_function_configuration", answer)
    return Sources(at(aws, stock_names("000000000000")), Clock())._function_facts()


def test_settings_are_the_live_functions(aws: Aws, stub: Stubber) -> None:
    told = {**TOLD, "ALERT_THRESHOLD": "900.5", "ALERT_COOLDOWN_SECONDS": "0"}
    assert facts(aws, stub, told) == FunctionFacts(900.5, "Enabled")


def test_what_the_function_is_not_told_is_its_default(aws: Aws, stub: Stubber) -> None:
    assert facts(aws, stub, TOLD) == FunctionFacts(1200, "Enabled")


def test_a_rule_on_another_field_than_the_charted_one_has_no_threshold(aws: Aws, stub: Stubber) -> None:
    assert facts(aws, stub, {**TOLD, "ALERT_VOLUME": "7"}).threshold == 1200


def test_a_function_that_is_told_something_wrong_says_so(aws: Aws, stub: Stubber) -> None:
    shown = facts(aws, stub, {**TOLD, "ALERT_THRESHOLD": "high"})
    assert shown.threshold is None
    assert shown.trouble == "environment variable ALERT_THRESHOLD='high' is not a price above 0 and at most 1e28"
    assert shown.mapping == "Enabled"


class CountedQueues(Sources):
    """Reads nothing but depths that the test sets, and notes which queues are looked into."""

    queue, dead, inbox = Depth(), Depth(), Depth()

    def _depths(self) -> list[Depth]:
        return [self.queue, self.dead, self.inbox]

    def _records(self) -> Iterator[Update]:
        yield from ()

    def _function_facts(self) -> FunctionFacts:
        return FunctionFacts()

    def _invocations(self) -> Update:
        return lambda _: None


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which queues were looked into."""
    seen: list[str] = []

    def look(queue: str) -> list[Any]:
        seen.append(queue)
        return []

    monkeypatch.setattr("console.model.oldest_message_seconds", lambda *_: None)
    monkeypatch.setattr("console.model.peek_inbox", lambda _: look("alerts"))
    monkeypatch.setattr("console.model.list_dead_letters", lambda _: look("dead letters"))
    return seen


def test_queues_are_looked_into_only_when_their_count_changes(aws: Aws, looks: list[str]) -> None:
    sources, model = CountedQueues(at(aws, stock_names("000000000000")), Clock()), Model()
    for update in sources.read():
        update(model)
    assert model.dead == Depth()
    looks.clear()

    list(sources.read())
    assert looks == []

    sources.dead = Depth(waiting=1)
    list(sources.read())
    assert looks == ["dead letters"]


def test_alerts_of_before_are_left_out_where_only_what_is_new_is_wanted(
    aws: Aws, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, since = (Alert(f"m-{sent_ms}", "", "", {}, sent_ms) for sent_ms in (999, 1000))
    monkeypatch.setattr("console.model.peek_inbox", lambda _: [before, since])
    sources, model = CountedQueues(at(aws, stock_names("000000000000")), Clock(), since_ms=1000), Model()
    sources.inbox = Depth(waiting=2)

    for update in sources.read():
        update(model)

    assert model.alerts == [since]


def test_after_an_action_everything_is_read_again(aws: Aws, looks: list[str]) -> None:
    sources = CountedQueues(at(aws, stock_names("000000000000")), Clock())
    list(sources.read())
    looks.clear()

    sources.hurry()
    list(sources.read())

    assert looks == ["alerts", "dead letters"]


def test_the_model_needs_no_web_framework() -> None:
    code = "import sys, console.refresher; sys.exit('nicegui' in sys.modules or 'fastapi' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
