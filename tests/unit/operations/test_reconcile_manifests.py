"""Which manifests `stockpipe reconcile` takes, where none is named."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.contract import Tick
from producer.manifest import ManifestWriter, Sent, new_path
from profiles.session import Profile
from tests.support.command_line import stockpipe, works_on
from tests.support.environments import at, stock_names

NAMES = stock_names("000000000000")


class Queue:
    """A tick queue that can be made anew."""

    created = 1_767_623_400

    def get_queue_url(self, **_: str) -> dict[str, str]:
        return {"QueueUrl": "http://localhost/StockQueue"}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        return {"Attributes": {"CreatedTimestamp": str(self.created)}}


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    aws = SimpleNamespace(sqs=Queue(), profile=Profile("local", "http://localhost:4566"))
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path))
    works_on(monkeypatch, at(cast(Any, aws), NAMES))
    return aws


def refusal() -> str:
    answer = stockpipe("reconcile")
    assert answer.exit_code == 2
    return answer.stderr


def test_what_an_earlier_environment_got_is_not_missing_from_this_one(
    aws: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a run in an environment that was made anew since
    path = new_path(at(aws, NAMES), "sim7-aa")
    with ManifestWriter(path) as writer:
        writer.append([Sent(Tick("t1", "TSLA", 1.0, 1, "2026-01-05T14:30:00Z"), "m1")])
    aws.sqs.created += 1

    # when it is reconciled, then one line says so, and how to compare with that run all the same
    assert refusal() == (
        "error: no run has started since this environment was created; the latest manifest belongs to an earlier one. "
        f"Run: stockpipe produce; or compare with: --manifest {path}\n"
    )


def test_an_environment_without_any_run_says_so(aws: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal().startswith("error: nothing was produced yet: no manifest in ")
