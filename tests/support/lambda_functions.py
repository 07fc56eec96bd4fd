"""Functions on an engine, as their owner makes, invokes and sees them."""

import base64
import io
import json
import re
import textwrap
import uuid
import zipfile
from dataclasses import dataclass
from typing import Any

from profiles.session import Aws
from tests.support.waiting import wait_until

ROLE = "arn:aws:iam::000000000000:role/any"


@dataclass(frozen=True)
class Result:
    """One invocation: `payload` decoded, `error` the FunctionError (empty if none), `log` its tail."""

    payload: Any
    error: str
    log: str


class Functions:
    """Creates and invokes functions on one engine; every name is new."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    def create(self, source: str, *, handler: str = "index.handler", **settings: Any) -> str:
        """A function from the source of its module `index`."""
        return self.create_from({"ZipFile": zipped(source)}, handler=handler, **settings)

    def create_from(self, code: dict[str, Any], *, handler: str = "index.handler", **settings: Any) -> str:
        """A function from code as CreateFunction takes it."""
        name = f"fn-{uuid.uuid4().hex[:10]}"
        values = {"Runtime": "python3.11", "Timeout": 20, **settings}
        self.aws.lambda_.create_function(FunctionName=name, Handler=handler, Role=ROLE, Code=code, **values)  # type: ignore[arg-type]
        wait_until(lambda: self.aws.lambda_.get_function_configuration(FunctionName=name)["State"] == "Active")
        return name

    def invoke(self, name: str, payload: Any = None) -> Result:
        """Invoke and wait for the result."""
        answer = self.aws.lambda_.invoke(FunctionName=name, Payload=json.dumps(payload), LogType="Tail")
        assert answer["StatusCode"] == 200
        return Result(
            json.loads(answer["Payload"].read()),
            answer.get("FunctionError", ""),
            base64.b64decode(answer["LogResult"]).decode(),
        )


def configuration(functions: Functions, name: str) -> dict[str, Any]:
    return dict(functions.aws.lambda_.get_function_configuration(FunctionName=name))


def zipped(source: str, path: str = "index.py") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(path, textwrap.dedent(source))
    return buffer.getvalue()


def masked(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with what differs from run to run taken out, as the recorded ones have it."""
    uuid_pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    values = {
        key: re.sub(uuid_pattern, "<id>", value) if isinstance(value, str) else value for key, value in payload.items()
    }
    if values.get("stackTrace"):
        assert all(line.startswith("  File ") for line in values["stackTrace"])
        values["stackTrace"] = "<trace>"
    return values


def assert_lines(lines: list[str], patterns: list[str]) -> None:
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"


def cloudwatch_lines(aws: Aws, function: str, *, until: str) -> list[str]:
    """The events of the function's log group, once one of them contains `until`."""
    events: list[str] = []

    def arrived() -> bool:
        nonlocal events
        try:
            found = aws.logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
        except aws.logs.exceptions.ResourceNotFoundException:
            return False
        events = [event["message"].rstrip("\n") for event in found]
        return any(until in event for event in events)

    wait_until(arrived)
    return events
