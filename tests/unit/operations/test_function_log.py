import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from operations import declared
from operations.commands.logs import parse_since, render
from operations.function_log import LogEvent, Tail, read_invocations, read_line, read_log
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.session import Aws
from tests.support.environments import at, stock_names

AT = 1767623400250  # 2026-01-05T14:30:00.250Z
REQUEST = "14dbc2e2-5cc8-419f-8bb7-55a0f5609ecb"


def shown(message: str) -> str:
    return render(read_line(LogEvent(AT, "stream", message))).plain


def powertools(**fields: Any) -> str:
    return json.dumps(
        {
            "level": "INFO",
            "location": "_log:87",
            "message": "batch processed",
            "timestamp": "2026-01-05 14:29:59,125+0000",
            "service": "StockProcessor",
            "cold_start": True,
            "function_request_id": REQUEST,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"START RequestId: {REQUEST} Version: $LATEST", f"14:30:00.250 START    {REQUEST}"),
        (f"END RequestId: {REQUEST}", f"14:30:00.250 END      {REQUEST}"),
        (
            f"REPORT RequestId: {REQUEST}\tDuration: 951.67 ms\tBilled Duration: 1510 ms\tMemory Size: 256 MB\t"
            "Max Memory Used: 57 MB\tInit Duration: 558.03 ms\t",
            f"14:30:00.250 REPORT  duration=951.67 ms memory=57 MB init=558.03 ms  {REQUEST}",
        ),
        (
            f"REPORT RequestId: {REQUEST}\tDuration: 10000.00 ms\tStatus: timeout",
            f"14:30:00.250 REPORT  duration=10000.00 ms status=timeout  {REQUEST}",
        ),
        (
            powertools(stored=10, failed=0, reason=None),
            f"14:29:59.125 INFO    batch processed stored=10 failed=0 reason=None  {REQUEST}",
        ),
        (
            powertools(timestamp="soon", exception="Traceback\n  line 1"),
            f"14:30:00.250 INFO    batch processed  {REQUEST}\n  exception:\n    Traceback\n      line 1",
        ),
        ("[ERROR] NameError: x\nTraceback …", "14:30:00.250 ERROR   [ERROR] NameError: x\nTraceback …"),
        (
            f"{REQUEST} Task timed out after 10.00 seconds",
            f"14:30:00.250 ERROR   {REQUEST} Task timed out after 10.00 seconds",
        ),
        ("hello \x1b[31m\u202e", "14:30:00.250 INFO    hello \\x1b[31m\\u202e"),
        ('{"torn": ', '14:30:00.250 INFO    {"torn": '),
        ("[1, 2]", "14:30:00.250 INFO    [1, 2]"),
    ],
)
def test_each_kind_of_line_is_rendered(message: str, expected: str) -> None:
    assert shown(message) == expected


def test_metrics_show_what_is_not_zero_and_ranges_of_values() -> None:
    metrics = [{"Name": name} for name in ("TicksStored", "TicksRejected", "LatencyMs", "Same")]
    emf = {
        "_aws": {"Timestamp": AT - 1000, "CloudWatchMetrics": [{"Metrics": metrics}]},
        "TicksStored": [10.0],
        "TicksRejected": 0,
        "LatencyMs": [35.0, 12.5, 80.0],
        "Same": [4.0, 4.0],
    }
    assert shown(json.dumps(emf)) == "14:29:59.250 METRIC  TicksStored=10 LatencyMs=12.5…80 Same=4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 970_000),
        ("5m", 700_000),
        ("0.1h", 640_000),
        ("1d", 0),
        ("1970-01-01T00:10:00Z", 600_000),
        ("1970-01-01T01:10:00.5+01:00", 600_500),
    ],
)
def test_since_is_a_span_or_a_time(text: str, expected: int) -> None:
    assert parse_since(text, now=1000.0) == expected


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "yesterday", "2026-01-05T14:30:00", "-5m"])
def test_since_says_what_it_expects(text: str) -> None:
    with pytest.raises(CannotRunError, match="expected 30s, 5m, 2h, 1d, or a time with its zone"):
        parse_since(text, now=1000.0)


class Log:
    """CloudWatch Logs of a test: what is in `events` is answered from `startTime` on."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.starts: list[int] = []

    def add(self, at_ms: int, message: str) -> None:
        self.events.append({"timestamp": at_ms, "logStreamName": "s", "message": message + "\n"})

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=self._paginate)

    def _paginate(self, *, logGroupName: str, startTime: int, **_: Any) -> Any:  # noqa: N803, ARG002
        self.starts.append(startTime)
        found = [event for event in self.events if event["timestamp"] >= startTime]
        return [{"events": found[:1]}, {}, {"events": found[1:]}]


def environment(log: Log) -> Environment:
    return at(cast(Aws, SimpleNamespace(logs=log)), stock_names("123456789012"))


@pytest.fixture
def two_functions(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A second function, whose log group is declared too; both logs have two invocations."""
    groups = {"/aws/lambda/StockProcessor": [1, 4], "/aws/lambda/Replayer": [2, 3]}
    named = [SimpleNamespace(kind="log group", name=name) for name in groups]
    monkeypatch.setattr(declared, "_declared", lambda *_: named)

    def paginate(*, logGroupName: str, **_: Any) -> Any:  # noqa: N803
        said = "REPORT RequestId: {}\tDuration: 1.00 ms\t"
        return [{"events": [{"timestamp": at, "message": said.format(at)} for at in groups[logGroupName]]}]

    logs = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=paginate))
    return at(cast(Aws, SimpleNamespace(logs=logs)), stock_names("123456789012"))


def test_all_declared_log_groups_are_read_in_the_order_of_time(two_functions: Environment) -> None:
    assert [event.at_ms for event in read_log(two_functions, since_ms=0)] == [1, 2, 3, 4]
    assert [event.at_ms for event in read_log(two_functions, since_ms=0, log_group="/aws/lambda/Replayer")] == [2, 3]


def test_the_invocations_are_those_of_the_function_that_stores_records(two_functions: Environment) -> None:
    assert [one.request_id for one in read_invocations(two_functions, since_ms=0)] == ["1", "4"]


def test_a_tail_shows_each_line_once_late_ones_included() -> None:
    log = Log()
    tail = Tail(environment(log), since_ms=100_000)
    log.add(99_999, "before")
    log.add(150_000, "b")
    log.add(140_000, "a")
    assert [event.message for event in tail.read()] == ["a", "b"]
    assert tail.read() == []
    log.add(150_000, "b")  # the same line again in the same millisecond is another line
    log.add(145_000, "late")
    assert [event.message for event in tail.read()] == ["late", "b"]
    log.add(200_000, "c")
    assert [event.message for event in tail.read()] == ["c"]
    assert tail.read() == []
    assert log.starts[-1] == 170_000, "what is long past is not asked for again"


def test_invocations_are_read_from_the_report_lines_of_aws_and_of_the_engines() -> None:
    log = Log()
    lines = (
        "START RequestId: a Version: $LATEST",
        "REPORT RequestId: a\tDuration: 12.50 ms\tBilled Duration: 13 ms\tMemory Size: 256 MB\tMax Memory Used: 90 MB\t"
        "Init Duration: 301.22 ms\t\n",
        '{"message": "not a REPORT RequestId: x Duration: 1 ms"}',
        "REPORT RequestId: b\tDuration: 166 ms\tBilled Duration: 166 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB",
        "REPORT RequestId: c\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 256 MB\t"
        "Max Memory Used: 90 MB\tStatus: timeout",
    )
    for number, line in enumerate(lines):
        log.add(number, line)

    found = read_invocations(environment(log), since_ms=0)

    assert [(one.request_id, one.at_ms, one.duration_ms) for one in found] == [
        ("a", 1, 12.5),
        ("b", 3, 166.0),
        ("c", 4, 3000.0),
    ]
    assert [one.cold for one in found] == [True, False, False]
    assert [one.failed for one in found] == [False, False, True]
