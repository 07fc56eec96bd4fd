"""The poller inside a real LocalStack: batches, filters and limits as on AWS, whatever the bodies are.

At the end, what ministack's poller does otherwise (docs/engines.md).
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from emulator import lifecycle
from emulator.engine import Options
from profiles.errors import CannotRunError
from profiles.session import Aws
from tests.conftest import find_free_port
from tests.support.lambda_functions import Functions
from tests.support.waiting import wait_until

MIB = 1024 * 1024
MANY_BRACKETS = "[" * 20_000

# One line for each invocation: the bodies, and the size of the event.
RECORDER = """
import json
def handler(event, context):
    with open({path!r}, "a") as file:
        bodies = [record["body"] for record in event["Records"]]
        file.write(json.dumps([bodies, len(json.dumps(event))]) + "\\n")
"""


Batch = tuple[list[str], int]


class Flow:
    """A queue, and a function that writes down what its mapping hands over."""

    def __init__(self, aws: Aws, folder: Path, **mapping: Any) -> None:
        self._aws = aws
        self._seen = folder / "seen"
        self._queue = f"poller-{uuid.uuid4().hex[:8]}"
        self.url = aws.sqs.create_queue(QueueName=self._queue)["QueueUrl"]
        self._function = Functions(aws).create(RECORDER.format(path=str(self._seen)))
        self._mapping = mapping

    @contextmanager
    def polled(self, *bodies: str) -> Iterator[None]:
        """Have the bodies polled, all at once."""
        for body in bodies:
            self._aws.sqs.send_message(QueueUrl=self.url, MessageBody=body)
        arn = f"arn:aws:sqs:us-east-2:{self._aws.account}:{self._queue}"
        mapping = self._aws.lambda_.create_event_source_mapping(
            EventSourceArn=arn, FunctionName=self._function, BatchSize=10, **self._mapping
        )
        yield
        self._aws.lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
        self._aws.sqs.delete_queue(QueueUrl=self.url)

    def run(self, *bodies: str, until: int) -> list[Batch]:
        """Have the bodies polled until nothing is left and `until` have been seen."""
        with self.polled(*bodies):
            wait_until(lambda: self._left() == 0 and sum(len(got) for got, _ in self.batches()) >= until)
            return self.batches()

    def _left(self) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self._aws.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, counts.values()))

    def batches(self) -> list[Batch]:
        """What was handed over so far."""
        return [tuple(json.loads(line)) for line in self._seen.read_text().splitlines()] if self._seen.exists() else []


def filters(*patterns: dict[str, Any]) -> dict[str, Any]:
    return {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}}


@pytest.mark.parametrize(
    ("pattern", "delivered"),
    [
        pytest.param({"body": {"price": [{"numeric": [">", 100]}]}}, ['{"price": 101}', ' {"price":1e3}'], id="json"),
        pytest.param({"body": {"price": [{"exists": False}]}}, ['{"other": 1}'], id="json-without"),
        pytest.param({"body": ["hello"]}, ["hello"], id="text"),
        pytest.param({"messageAttributes": {"kind": {"stringValue": ["x"]}}}, [], id="attribute"),
    ],
)
def test_a_filter_is_matched_against_the_body_as_on_aws(
    localstack: Any, tmp_path: Path, pattern: dict[str, Any], delivered: list[str]
) -> None:
    # given a mapping with a filter
    flow = Flow(localstack.aws, tmp_path, **filters(pattern))

    # when bodies of all kinds come, among them those that a parser does not survive
    others = [
        '{"other": 1}',
        '{"price": 1}',
        '{"price": null}',
        '"hello"',
        "101",
        "null",
        MANY_BRACKETS,
        '{"price":' + "9" * 4301 + "}",
    ]
    batches = flow.run(*others, '{"price": 101}', ' {"price":1e3}', "hello", until=len(delivered))

    # then the matching ones are delivered, unchanged, and the others are deleted
    assert sorted(body for bodies, _ in batches for body in bodies) == sorted(delivered)


def test_a_batch_over_the_payload_limit_is_delivered_in_parts(localstack: Any, tmp_path: Path) -> None:
    # given ten messages of which the large ones alone are more than one invocation takes
    flow = Flow(localstack.aws, tmp_path)
    bodies = [*("x" * MIB for _ in range(7)), "a", "b", "c"]

    # when they are polled
    batches = flow.run(*bodies, until=10)

    # then all are delivered once, in events that Lambda takes
    assert sorted(body for got, _ in batches for body in got) == sorted(bodies)
    assert all(size <= 6 * MIB for _, size in batches)


def test_localstack_does_not_start_with_another_poller_than_the_one_we_replace(
    localstack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a LocalStack whose poller has changed
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if any('bounded_log' in argument for argument in sys.orig_argv):\n"
        "    from localstack.services.lambda_.event_source_mapping import esm_worker_factory\n"
        "    esm_worker_factory.SqsPoller = object\n"
    )
    path = psutil.Process(localstack.running.pid).environ()["PYTHONPATH"]
    variables = {"PYTHONPATH": f"{tmp_path}:{path}"}

    # when it is started, then it says so and ends
    with pytest.raises(
        CannotRunError, match=r"(?s)ended with exit code 1 .*LocalStack has no SqsPoller\.handle_messages"
    ):
        lifecycle.start("localstack", find_free_port(), Options(extra_environment=variables))


def test_on_ministack_a_hostile_body_fails_a_batch_that_is_filtered(ministack: Any, tmp_path: Path) -> None:
    flow = Flow(ministack.aws, tmp_path, **filters({"body": {"price": [101]}}))

    with flow.polled('{"price": 101}', MANY_BRACKETS):
        wait_until(lambda: "ESM SQS poller error: maximum recursion" in ministack.running.log_path.read_text())
        assert flow.batches() == []


def test_on_ministack_a_batch_over_the_payload_limit_is_one_event(ministack: Any, tmp_path: Path) -> None:
    [(bodies, size)] = Flow(ministack.aws, tmp_path).run(*("x" * MIB for _ in range(7)), until=7)

    assert len(bodies) == 7
    assert size > 6 * MIB
