"""Looking into a queue takes nothing out of it."""

import uuid
from typing import Any

import pytest

from operations.queues import Depth, depth, peek
from profiles.environment import queue_url
from profiles.errors import CannotRunError
from profiles.names import Names

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
    names = Names(ministack.aws.account, "nowhere")
    with pytest.raises(CannotRunError, match=r"there is no queue nowhere-StockQueue .*stockpipe up --prefix nowhere"):
        queue_url(ministack.aws, names, names.queue)
