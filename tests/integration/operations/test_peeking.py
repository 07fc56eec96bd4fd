"""Looking into a queue takes nothing out of it."""

import signal
import subprocess
import sys
import time
import uuid
from typing import Any

import pytest

from operations.queues import Depth, depth, peek
from profiles.environment import queue_url
from profiles.errors import CannotRunError
from tests.support.environments import at, stock_names
from tests.support.waiting import wait_until

MESSAGES = 23


@pytest.mark.parametrize(
    "engine",
    [pytest.param("localstack", marks=pytest.mark.localstack), pytest.param("ministack", marks=pytest.mark.ministack)],
)
def test_a_peek_shows_all_messages_and_leaves_them_visible(request: pytest.FixtureRequest, engine: str) -> None:
    # given more messages than one call returns
    aws: Any = request.getfixturevalue(engine).aws
    name = f"peek-{uuid.uuid4().hex[:8]}"
    url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
    for number in range(MESSAGES):
        aws.sqs.send_message(QueueUrl=url, MessageBody=f"body {number}")

    # when somebody looks, twice
    first = peek(aws, url)
    second = peek(aws, url)

    # then all are seen both times, and all can still be received
    assert sorted(message["Body"] for message in first) == sorted(f"body {number}" for number in range(MESSAGES))
    assert {message["MessageId"] for message in second} == {message["MessageId"] for message in first}
    assert depth(aws, url) == Depth(waiting=MESSAGES)
    assert len(peek(aws, url, limit=10)) == 10
    aws.sqs.delete_queue(QueueUrl=url)


def test_a_queue_that_is_not_there_is_one_line(ministack: Any) -> None:
    environment = at(ministack.aws, stock_names(ministack.aws.account, "nowhere"))
    with pytest.raises(CannotRunError, match=r"there is no queue nowhere-StockQueue .*stockpipe up --prefix nowhere"):
        queue_url(environment, environment.names.queue)


_READER = """
import sys, time
from operations.queues import browse
from profiles.session import open_endpoint
from terminal.commands import command_line, run

app = command_line("read", "")

@app.default
def read(endpoint: str, url: str) -> None:
    messages = browse(open_endpoint(endpoint), url)
    try:
        print(next(messages)["Body"], flush=True)
        time.sleep(60)
    finally:
        messages.close()

run(app)
"""


@pytest.mark.parametrize(
    ("how", "seconds"), [(signal.SIGTERM, 3), (signal.SIGHUP, 3), (signal.SIGKILL, 9)], ids=["term", "hup", "kill"]
)
def test_a_reader_that_is_ended_hides_messages_for_seconds_at_most(ministack: Any, how: int, seconds: float) -> None:
    # given a reader that has all messages of a queue
    aws = ministack.aws
    url = aws.sqs.create_queue(QueueName=f"peek-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    for number in range(3):
        aws.sqs.send_message(QueueUrl=url, MessageBody=f"body {number}")
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, ministack.endpoint_url, url], stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout
    assert reader.stdout.readline().startswith("body")
    assert depth(aws, url).waiting == 0

    # when it is ended
    reader.send_signal(how)
    reader.wait(timeout=30)
    ended = time.monotonic()

    # then another one sees all of them at once, or a few seconds after a kill
    wait_until(lambda: depth(aws, url).waiting == 3)
    assert time.monotonic() - ended < seconds
    assert len(peek(aws, url)) == 3
    aws.sqs.delete_queue(QueueUrl=url)
