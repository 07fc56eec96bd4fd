import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pipeline.contract import CONTRACT
from pipeline.source import Market
from producer.manifest import sent_ids
from profiles.names import Names
from tests.support.command_line import stockpipe, works_on
from tests.support.environments import at


@pytest.fixture(autouse=True)
def environment(aws: Any, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    works_on(monkeypatch, at(aws, names))


def produce(*options: str) -> Any:
    return stockpipe("produce", *options)


def test_a_market_is_repeated_by_its_seed_and_start(sqs: Any) -> None:
    options = ("--seed", "7", "--start", "2026-01-05T15:30:00+01:00", "--duration", "2", "--speed", "max")
    answer = produce(*options)
    assert answer.exit_code == 0
    assert "simulation: repeat it with --seed 7 --start 2026-01-05T14:30:00.000Z" in answer.stderr
    market = Market(7, datetime(2026, 1, 5, 14, 30, tzinfo=UTC))
    assert sorted(sqs.accepted_ids) == [tick.tick_id for tick in islice(market.records(), 40)]


def test_the_printed_seed_and_start_repeat_a_random_run(sqs: Any) -> None:
    first = produce("--count", "15", "--speed", "max")
    printed = next(line for line in first.stderr.splitlines() if line.startswith("simulation: "))
    produce(*printed.removeprefix("simulation: repeat it with ").split(), "--count", "15", "--speed", "max")
    assert len(sqs.accepted_ids) == 30
    assert len(set(sqs.accepted_ids)) == 15


def test_json_is_all_there_is_on_standard_output(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    answer = produce("--count", "12", "--speed", "max", "--json", "--manifest", str(path))
    document = json.loads(answer.stdout)
    assert (document["sent"], document["failed"], document["manifest"]) == (12, 0, str(path))
    assert len(sent_ids(path, CONTRACT)) == 12


def test_json_names_failures_by_the_id_field_of_the_contract(sqs: Any) -> None:
    sqs.answer = lambda *_: {"Code": "InvalidMessageContents", "SenderFault": True, "Message": "bad"}
    (failure,) = json.loads(produce("--count", "1", "--speed", "max", "--json").stdout)["failures"]
    assert failure == {
        "tick_id": next(iter(sqs.attempts)),
        "code": "InvalidMessageContents",
        "message": "bad",
        "sender_fault": True,
    }


def test_a_bad_line_is_an_error_after_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("timestamp,symbol,price,volume\n2026-01-05T14:30:00Z,TSLA,1,1\n2026-01-05T14:30:00Z,TSLA,1,x\n")
    answer = produce("--replay", str(path))
    assert answer.stdout.startswith("sent 1 ticks in ")
    assert answer.exit_code == 2
    assert "bad.csv, line 3: column 4 (volume) is 'x'" in answer.error


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
        (["--rate", "0"], "--rate 0: expected ticks per second, from 0.000001 to 1000000"),
        (["--speed", "0"], "--speed 0: expected max, or a factor from 0.000001 to 1000000"),
        (["--seed", "9" * 50], "--seed is out of range: expected a whole number from -9223372036854775808 to 92233720"),
        (["--speed", "fast"], "--speed fast: expected max"),
        (["--symbols", ","], "--groups is empty"),
        (["--symbols", "TSLA,TSLA"], "names a symbol twice"),
        (["--symbols", "T SLA"], "--groups: symbol 'T SLA' does not match"),
        (["--start", "today"], "--start today: timestamp 'today' is not ISO 8601"),
        (["--resume"], "--resume of a simulation needs its --seed and --start"),
        (["--replay", "daily-closes", "--rate", "5"], "--rate is for the simulation, not for --replay"),
        (["--replay", "daily-closes", "--symbols", "IBM"], "--groups is for the simulation"),
        (["--replay", "nowhere.csv"], "there is no file nowhere.csv"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_sent(
    sqs: Any, options: list[str], message: str
) -> None:
    answer = produce(*options)
    assert answer.exit_code == 2
    assert message in answer.error
    assert sqs.calls == []


HOSTILE = ["nan", "inf", "-inf", "-1", "1e308", "-1e308", "1e-320", str(10**30), "9" * 4000, "1" * 400 + ".5", ""]


@pytest.mark.parametrize("option", ["--rate", "--duration", "--count", "--speed", "--seed", "--start"])
def test_hostile_values_are_one_clear_line(sqs: Any, option: str) -> None:
    for value in HOSTILE:
        if (option, value) in {("--seed", "-1"), ("--duration", "1e-320")}:
            continue  # that is allowed: a number like any other, and no ticks
        answer = produce(f"{option}={value}", "--speed=max", f"{option}={value}")
        assert answer.exit_code == 2, (option, value[:20])
        assert option in answer.error
        assert answer.stderr.count("\n") == 1
        assert len(answer.stderr) < 300
    assert sqs.calls == []


def test_a_market_that_reaches_the_year_10000_is_an_error_after_the_summary(sqs: Any) -> None:
    answer = produce("--start", "9999-12-31T23:59:59Z", "--speed", "max")
    assert answer.stdout.startswith("sent 20 ticks in ")
    assert answer.exit_code == 2
    assert "the market has reached the end of the year 9999" in answer.error


def test_resuming_in_a_new_environment_sends_everything(sqs: Any) -> None:
    # given a run in an environment that was made anew since
    options = ("--seed", "7", "--start", "2026-01-05T14:30:00Z", "--count", "30", "--speed", "max", "--resume")
    produce(*options)
    sqs.created += 1
    sqs.accepted.clear()

    # when it is resumed
    answer = produce(*options)

    # then nothing is skipped that only the earlier one got
    assert "resume: nothing to continue in this environment; starting from the beginning" in answer.stderr
    assert len(sqs.accepted) == 30


def test_what_a_proxy_says_is_printed_as_it_is(sqs: Any) -> None:
    sqs.answer = lambda *_: {"Code": "[/red]", "SenderFault": True, "Message": "<b>\n[link]"}
    answer = produce("--count", "1", "--speed", "max")
    assert answer.exit_code == 1
    assert ": [/red] <b> [link]\n" in answer.stderr
