"""Emptying a bucket while S3 refuses calls, or single objects within a good answer, with a clock that doesn't wait."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bootstrap import emptying, executor
from bootstrap.executor import Event, State, execute
from bootstrap.model import Action, EmptyBucket, Plan, Verb
from bootstrap.runner import Runner
from profiles.errors import CannotRunError
from profiles.session import Aws, open_endpoint
from runtime.clock import Clock
from tests.support.aws_calls import Answer, FakeClock, Recorder, acceptance, record, refusal

BUCKET = "bucket stock-data"
SLOW_DOWN = "Please reduce your request rate."
Key = tuple[str, str]


class Bucket:
    """S3 with some object versions in pages of 10. `refuse` gives what S3 answers to a batch in place of deleting it:

    a refusal of the whole call, error codes for single objects, or nothing.
    """

    def __init__(self, versions: int) -> None:
        self.versions: list[Key] = [(f"processed/{number}.json", "v1") for number in range(versions)]
        self.calls: list[list[Key]] = []
        self.refuse: Callable[[list[Key]], Answer | dict[Key, str] | None] = lambda _: None
        self._lock = threading.Lock()

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        if operation == "ListObjectVersions":
            return self._page(parameters)
        if operation == "DeleteObjects":
            return self._delete([(one["Key"], one["VersionId"]) for one in parameters["Delete"]["Objects"]])
        return acceptance()

    def _page(self, parameters: Mapping[str, Any]) -> Answer:
        with self._lock:
            after = parameters.get("KeyMarker", "")
            rest = sorted(version for version in self.versions if version[0] > after)
            page = [{"Key": key, "VersionId": version} for key, version in rest[:10]]
            more = {"NextKeyMarker": page[-1]["Key"], "NextVersionIdMarker": "v1"} if len(rest) > 10 else {}
            return acceptance(Versions=page[::2], DeleteMarkers=page[1::2], IsTruncated=bool(more), **more)

    def _delete(self, batch: list[Key]) -> Answer:
        with self._lock:
            self.calls.append(batch)
            refused = self.refuse(batch) or {}
            if not isinstance(refused, dict):
                return refused
            self.versions = [one for one in self.versions if one not in batch or one in refused]
        errors = [
            {"Key": key, "VersionId": version, "Code": code, "Message": "as S3 says it"}
            for (key, version), code in refused.items()
        ]
        return acceptance(Errors=errors)


@pytest.fixture(scope="module")
def recorded() -> tuple[Aws, Recorder]:
    aws = open_endpoint("http://127.0.0.1:9")
    return aws, record(aws)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def runner(recorded: tuple[Aws, Recorder], clock: FakeClock) -> Runner:
    return Runner(recorded[0], {}, Clock(monotonic=clock.monotonic, sleep=clock.sleep))


@pytest.fixture
def bucket(recorded: tuple[Aws, Recorder]) -> Bucket:
    made = Bucket(25)
    recorded[1].intercept = made.answer
    return made


def first_times(times: int, refused: Callable[[list[Key]], Any]) -> Callable[[list[Key]], Any]:
    left = [times]

    def refuse(batch: list[Key]) -> Any:
        left[0] -= 1
        return refused(batch) if left[0] >= 0 else None

    return refuse


def test_versions_and_delete_markers_of_all_pages_are_deleted(runner: Runner, bucket: Bucket) -> None:
    runner.run(BUCKET, EmptyBucket("stock-data"))

    assert bucket.versions == []
    assert sorted(len(batch) for batch in bucket.calls) == [5, 10, 10]
    assert runner.notes == {BUCKET: "25 object versions deleted"}


@pytest.mark.parametrize("code", ["SlowDown", "InternalError"])
def test_objects_that_are_refused_for_now_are_deleted_later_and_only_those(
    code: str, runner: Runner, bucket: Bucket, clock: FakeClock
) -> None:
    bucket.refuse = lambda batch: dict.fromkeys(batch[:2], code) if len(batch) > 2 else None

    runner.run(BUCKET, EmptyBucket("stock-data"))

    assert bucket.versions == []
    assert sorted(len(batch) for batch in bucket.calls) == [2, 2, 2, 5, 10, 10]
    assert clock.slept == [emptying.FIRST_PAUSE_SECONDS] * 3
    assert runner.notes == {BUCKET: "25 object versions deleted"}


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [("SlowDown", SLOW_DOWN, 503), ("ServiceUnavailable", "Unavailable", 503), ("InternalError", "Try again.", 500)],
)
def test_a_call_that_is_refused_as_a_whole_is_made_again_with_growing_pauses(
    *, code: str, text: str, status: int, runner: Runner, bucket: Bucket, clock: FakeClock
) -> None:
    bucket.versions = bucket.versions[:7]
    bucket.refuse = first_times(8, lambda _: refusal(code, text, status))

    runner.run(BUCKET, EmptyBucket("stock-data"))

    assert bucket.versions == []
    assert clock.slept == [0.5, 1, 2, 4, 8, 16, 20, 20]


def test_it_is_given_up_when_nothing_is_deleted_any_more(runner: Runner, bucket: Bucket, clock: FakeClock) -> None:
    bucket.versions = bucket.versions[:7]
    bucket.refuse = lambda batch: dict.fromkeys(batch, "SlowDown")

    with pytest.raises(CannotRunError, match=r"S3 answered SlowDown for 300 s; it is short of capacity"):
        runner.run(BUCKET, EmptyBucket("stock-data"))

    assert 300 <= clock.time <= 330


def test_it_is_not_given_up_while_it_gets_smaller(runner: Runner, bucket: Bucket, clock: FakeClock) -> None:
    bucket.versions = bucket.versions[:10]
    rounds: list[int] = []

    def refuse(batch: list[Key]) -> dict[Key, str]:
        rounds.append(len(batch))
        return dict.fromkeys(batch if len(rounds) % 15 else batch[1:], "SlowDown")

    bucket.refuse = refuse
    runner.run(BUCKET, EmptyBucket("stock-data"))

    assert bucket.versions == []
    assert clock.time > 5 * emptying.PATIENCE_SECONDS


def test_an_object_that_may_not_be_deleted_is_said_so_at_once(runner: Runner, bucket: Bucket, clock: FakeClock) -> None:
    bucket.refuse = lambda batch: {batch[0]: "AccessDenied"}

    with pytest.raises(CannotRunError, match=r"1 objects of bucket stock-data could not be deleted, .*as S3 says it"):
        runner.run(BUCKET, EmptyBucket("stock-data"))

    assert clock.slept == []


def test_an_object_that_is_gone_already_is_as_good_as_deleted(runner: Runner, bucket: Bucket) -> None:
    bucket.refuse = first_times(1, lambda batch: dict.fromkeys(batch, "NoSuchVersion"))

    runner.run(BUCKET, EmptyBucket("stock-data"))

    assert len(bucket.calls) == 3


def test_when_interrupted_no_further_batch_is_deleted(runner: Runner, bucket: Bucket) -> None:
    def refuse(batch: list[Key]) -> dict[Key, str]:
        runner.stop()
        return dict.fromkeys(batch, "SlowDown")

    bucket.refuse = refuse
    with pytest.raises(CannotRunError, match="stopped before DeleteObjects"):
        runner.run(BUCKET, EmptyBucket("stock-data"))

    assert len(bucket.versions) == 25


def test_a_bucket_is_not_listed_faster_than_it_is_emptied(
    runner: Runner, bucket: Bucket, recorded: tuple[Aws, Recorder]
) -> None:
    bucket.versions = [(f"{number:05d}", "v1") for number in range(400)]
    recorded[1].forget()
    listed: list[int] = []
    bucket.refuse = lambda _: listed.append(recorded[1].operations.count("ListObjectVersions"))

    runner.run(BUCKET, EmptyBucket("stock-data"))

    ahead = [pages - deleted for deleted, pages in enumerate(listed)]
    assert bucket.versions == []
    assert max(ahead) <= emptying.LISTED_AHEAD + emptying.WORKERS + 1


def test_a_long_emptying_is_shown_with_its_count(
    recorded: tuple[Aws, Recorder], bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "NOTE_SECONDS", 0.01)
    seen = threading.Event()
    notes: list[str] = []

    def observe(event: Event) -> None:
        if event.state is State.RUNNING and event.note:
            notes.append(event.note)
            seen.set()

    def hold(batch: list[Key]) -> None:
        if len(batch) == 5:
            assert seen.wait(10)

    bucket.versions = bucket.versions[:15]
    really = bucket.answer

    def answer(operation: str, parameters: Mapping[str, Any]) -> Answer:
        if operation == "DeleteObjects":
            hold(parameters["Delete"]["Objects"])
        return really(operation, parameters)

    recorded[1].intercept = answer
    action = Action(Verb.DELETE, BUCKET, (EmptyBucket("stock-data"),))

    execute(recorded[0], Plan((action,)), observe, Clock())

    assert notes[0] == "10 object versions deleted"
