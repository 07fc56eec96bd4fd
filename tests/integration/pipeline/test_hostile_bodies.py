"""Hostile bodies in real batches: from the queue to the function byte for byte, and nobody's neighbour is lost."""

import base64
import hashlib
import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import bootstrap
from operations.deadletters import DeadLetter, list_dead_letters
from profiles.environment import Environment, queue_url
from profiles.session import Aws
from tests.support.environments import stock_settings
from tests.support.hostile_bodies import ODD, REJECTED, tick
from tests.support.lambda_functions import Functions
from tests.support.sandboxes import ENGINES, fresh_environment
from tests.support.waiting import wait_until

BATCH = 10
BODIES = [body for body in (*REJECTED, *ODD) if body.can_be_sent]
LARGE = 200_000
SECONDS = 200.0  # a thousand batches take 20 to 50
BINARY = bytes(range(256))

# Tells what it was given: one line for each message.
RECORDER = """
import json
def handler(event, context):
    with open({path!r}, "a") as file:
        for record in event["Records"]:
            file.write(json.dumps([record["body"], record["md5OfBody"], record["messageAttributes"]]) + "\\n")
"""


@pytest.fixture(params=ENGINES)
def aws(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param).aws


def test_each_body_reaches_the_function_byte_for_byte(aws: Aws, tmp_path: Path) -> None:
    # given a function that writes down what it gets
    functions, seen = Functions(aws), tmp_path / "seen"
    queue = f"bytes-{uuid.uuid4().hex[:8]}"
    url = aws.sqs.create_queue(QueueName=queue)["QueueUrl"]
    name = functions.create(RECORDER.format(path=str(seen)))
    arn = f"arn:aws:sqs:us-east-2:{aws.account}:{queue}"
    mapping = aws.lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName=name, BatchSize=BATCH)["UUID"]

    # when it is sent every body
    attributes: Any = {
        "binary": {"DataType": "Binary", "BinaryValue": BINARY},
        "text": {"DataType": "String", "StringValue": "<&> \u202e\U0010fffd"},
    }
    for body in BODIES:  # the attributes count towards the size of a message
        aws.sqs.send_message(
            QueueUrl=url, MessageBody=body.text, MessageAttributes=attributes if len(body.text) < LARGE else {}
        )

    # then that is each of them as it was sent, with its checksum and its attributes
    wait_until(lambda: seen.exists() and seen.read_text().count("\n") >= len(BODIES))
    got = [json.loads(line) for line in seen.read_text().splitlines()]
    assert sorted(body for body, _, _ in got) == sorted(body.text for body in BODIES)
    for body, digest, with_it in got:
        assert digest == hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        if len(body) < LARGE:
            assert base64.b64decode(with_it["binary"]["binaryValue"]) == BINARY
            assert with_it["text"]["stringValue"] == attributes["text"]["StringValue"]
    aws.lambda_.delete_event_source_mapping(UUID=mapping)
    aws.sqs.delete_queue(QueueUrl=url)


def test_nine_neighbours_of_each_hostile_body_are_stored(aws: Aws) -> None:
    # given an environment whose function is warm, and which gives up on a message after one delivery
    environment = fresh_environment(aws)
    names = environment.names
    settings = stock_settings(object_layout="batch", maximum_concurrency=2)
    bootstrap.up(environment, settings)
    url = queue_url(environment, names.queue)
    mapping = aws.lambda_.list_event_source_mappings(FunctionName=names.function)["EventSourceMappings"][0]
    good = [f"warm-{number}" for number in range(2 * BATCH)]
    for batch in (good[:BATCH], good[BATCH:]):
        send(aws, url, [tick(tick_id=tick_id, symbol="GOOD") for tick_id in batch])
    wait_until(lambda: stored_ids(aws, names.bucket) == sorted(good))
    set_enabled(aws, mapping["UUID"], enabled=False)
    redrive = {"deadLetterTargetArn": names.dead_letter_queue_arn, "maxReceiveCount": "1"}
    aws.sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"VisibilityTimeout": "4", "RedrivePolicy": json.dumps(redrive)}
    )

    # when each hostile body is sent at each position among nine good ticks
    hostile = [body for body in BODIES if body.reason]
    sent = [(body, position) for position in range(BATCH) for body in hostile]
    for number, (body, position) in enumerate(sent):
        batch = [tick(tick_id=f"good-{number}-{neighbour}", symbol="GOOD") for neighbour in range(BATCH)]
        batch[position] = body.text
        good += [json.loads(text)["tick_id"] for text in batch if text is not body.text]
        send(aws, url, batch)
    set_enabled(aws, mapping["UUID"], enabled=True)

    # then their neighbours are stored, and they are dead letters with their reasons
    letters = wait_until(lambda: dead_letters(environment, len(sent)), seconds=SECONDS)
    assert Counter(letter.body for letter in letters) == Counter(body.text for body, _ in sent)
    reason = {body.text: body.reason for body in hostile}
    assert [letter.reason for letter in letters if not letter.reason.startswith(reason[letter.body])] == []
    assert stored_ids(aws, names.bucket) == sorted(good)
    bootstrap.down(environment, settings)


def set_enabled(aws: Aws, mapping: str, *, enabled: bool) -> None:
    aws.lambda_.update_event_source_mapping(UUID=mapping, Enabled=enabled)
    if not enabled:
        wait_until(lambda: aws.lambda_.get_event_source_mapping(UUID=mapping)["State"] == "Disabled")


def send(aws: Aws, url: str, bodies: list[str]) -> None:
    """In their order, and at most 1 MiB at once."""
    if sum(map(len, bodies)) > LARGE:
        for body in bodies:
            aws.sqs.send_message(QueueUrl=url, MessageBody=body)
        return
    entries: Any = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    assert len(aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == len(bodies)


def dead_letters(environment: Environment, count: int) -> list[DeadLetter] | None:
    url = queue_url(environment, environment.names.dead_letter_queue)
    attributes = environment.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    if int(attributes["Attributes"]["ApproximateNumberOfMessages"]) < count:
        return None
    return list_dead_letters(environment, limit=2 * count)


def stored_ids(aws: Aws, bucket: str) -> list[str]:
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="processed/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    bodies = [aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
    return sorted(json.loads(line)["tick_id"] for body in bodies for line in body.splitlines())
