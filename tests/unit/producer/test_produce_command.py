import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import terminal
from producer.cli import app
from producer.manifest import sent_ids
from producer.market import Market
from profiles.errors import CannotRunError
from profiles.names import Names


@pytest.fixture(autouse=True)
def environment(aws: Any, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "open_environment", lambda *_: terminal.Environment(aws, names))


def produce(*options: str) -> Any:
    return CliRunner().invoke(app, list(options))


def test_a_market_is_repeated_by_its_seed_and_start(sqs: Any) -> None:
    options = ("--seed", "7", "--start", "2026-01-05T15:30:00+01:00", "--duration", "2", "--speed", "max")
    answer = produce(*options)
    assert answer.exit_code == 0
    assert "market: repeat it with --seed 7 --start 2026-01-05T14:30:00.000Z" in answer.stderr
    market = Market(7, datetime(2026, 1, 5, 14, 30, tzinfo=UTC))
    assert sorted(sqs.accepted_ids) == [tick.tick_id for tick in islice(market.ticks(), 40)]


def test_the_printed_seed_and_start_repeat_a_random_run(sqs: Any) -> None:
    first = produce("--count", "15", "--speed", "max")
    printed = next(line for line in first.stderr.splitlines() if line.startswith("market: "))
    produce(*printed.removeprefix("market: repeat it with ").split(), "--count", "15", "--speed", "max")
    assert len(sqs.accepted_ids) == 30
    assert len(set(sqs.accepted_ids)) == 15


def test_json_is_all_there_is_on_standard_output(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    answer = produce("--count", "12", "--speed", "max", "--json", "--manifest", str(path))
    document = json.loads(answer.stdout)
    assert (document["sent"], document["failed"], document["manifest"]) == (12, 0, str(path))
    assert len(sent_ids(path)) == 12


def test_a_bad_line_is_an_error_after_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("timestamp,symbol,price,volume\n2026-01-05T14:30:00Z,TSLA,1,1\n2026-01-05T14:30:00Z,TSLA,1,x\n")
    answer = produce("--replay", str(path))
    assert answer.stdout.startswith("sent 1 ticks in ")
    assert isinstance(answer.exception, CannotRunError)
    assert "bad.csv, line 3: column 4 (volume) is 'x'" in str(answer.exception)


def test_failed_ticks_are_named_and_end_with_1(sqs: Any) -> None:
    sqs.answer = lambda *_: {"Code": "InvalidMessageContents", "SenderFault": True, "Message": "bad"}
    answer = produce("--count", "12", "--speed", "max")
    assert answer.exit_code == 1
    assert answer.stderr.count("InvalidMessageContents bad") == 10
    assert "sent 0 ticks" in answer.stdout
    assert "failed 12" in answer.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "0"], "--rate 0: expected ticks per second"),
        (["--rate", "nan"], "--rate nan: expected ticks per second"),
        (["--speed", "0"], "--speed 0: expected max, or a factor above 0"),
        (["--speed", "fast"], "--speed fast: expected max"),
        (["--symbols", ","], "--symbols is empty"),
        (["--symbols", "TSLA,TSLA"], "names a symbol twice"),
        (["--symbols", "T SLA"], "--symbols: symbol 'T SLA' does not match"),
        (["--start", "today"], "--start today: timestamp 'today' is not ISO 8601"),
        (["--resume"], "--resume of a market needs its --seed and --start"),
        (["--replay", "daily-closes", "--rate", "5"], "--rate is for the simulated market, not for --replay"),
        (["--replay", "daily-closes", "--symbols", "IBM"], "--symbols is for the simulated market"),
        (["--replay", "nowhere.csv"], "there is no file nowhere.csv"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_sent(
    sqs: Any, options: list[str], message: str
) -> None:
    answer = produce(*options)
    assert isinstance(answer.exception, CannotRunError)
    assert message in str(answer.exception)
    assert sqs.calls == []
