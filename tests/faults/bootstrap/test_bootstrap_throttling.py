"""Throttling on any call: botocore's standard retry mode has to see AWS's answers, so they come as HTTP responses."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from profiles.session import Aws, open_endpoint


class Throttled(NamedTuple):
    """How one service says "slow down": status, body, and a call to say it to."""

    service: str
    operation: str
    parameters: dict[str, Any]
    status: int
    code: str


_XML = "<ErrorResponse><Error><Code>{code}</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
_S3_XML = "<Error><Code>{code}</Code><Message>Please reduce your request rate.</Message></Error>"
_JSON = '{{"__type": "{code}", "message": "Rate exceeded"}}'

BODIES = {"iam": _XML, "sns": _XML, "s3": _S3_XML, "lambda": _JSON, "logs": _JSON, "sqs": _JSON}
CASES = [
    Throttled("iam", "get_role", {"RoleName": "r"}, 400, "Throttling"),
    Throttled("sns", "create_topic", {"Name": "t"}, 400, "ThrottledException"),
    Throttled("s3", "delete_bucket", {"Bucket": "bucket"}, 503, "SlowDown"),
    Throttled("lambda", "delete_function", {"FunctionName": "f"}, 429, "TooManyRequestsException"),
    Throttled("logs", "delete_log_group", {"logGroupName": "g"}, 400, "ThrottlingException"),
    Throttled("sqs", "delete_queue", {"QueueUrl": "http://127.0.0.1:9/q"}, 400, "RequestThrottled"),
]


class _Body:
    def __init__(self, text: str) -> None:
        self._text = text.encode()

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._text


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that botocore makes between its attempts; none is really made."""
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", pauses.append)
    return pauses


def _throttling(case: Throttled, times: int) -> tuple[Aws, list[int]]:
    aws, attempts = open_endpoint("http://127.0.0.1:9"), [0]

    def answer(**_: Any) -> AWSResponse:
        attempts[0] += 1
        throttled = attempts[0] <= times
        headers = HTTPHeaders()
        if case.service == "lambda":
            headers["x-amzn-ErrorType"] = case.code
        body = BODIES[case.service].format(code=case.code) if throttled else _good(case)
        return AWSResponse("http://127.0.0.1:9/", case.status if throttled else 200, headers, _Body(body))

    aws.client(case.service).meta.events.register("before-send.*.*", answer)
    return aws, attempts


def _good(case: Throttled) -> str:
    if case.operation == "get_role":
        return "<GetRoleResponse><GetRoleResult><Role/></GetRoleResult></GetRoleResponse>"
    if case.operation == "create_topic":
        return "<CreateTopicResponse><CreateTopicResult/></CreateTopicResponse>"
    return "{}" if case.service in ("lambda", "logs", "sqs") else ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.service}-{case.code}")
def test_a_throttled_call_is_made_again_after_a_pause(case: Throttled, slept: list[float]) -> None:
    aws, attempts = _throttling(case, times=3)

    getattr(aws.client(case.service), case.operation)(**case.parameters)

    assert attempts == [4]
    assert len(slept) == 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.service}-{case.code}")
def test_throttling_without_end_is_given_up_and_named(case: Throttled, slept: list[float]) -> None:
    aws, attempts = _throttling(case, times=1000)

    with pytest.raises(ClientError, match=rf"{case.code}.*reached max retries"):
        getattr(aws.client(case.service), case.operation)(**case.parameters)

    assert attempts == [9]  # the first and the 8 retries of CLIENT_CONFIG
