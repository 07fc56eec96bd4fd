"""The demo as a user runs it: a process of its own, without a terminal."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RECONCILED = re.compile(
    r"^reconciled: (?P<produced>\d+) produced = (?P<stored>\d+) stored \+ 0 dead-lettered; "
    r"missing 0, duplicated 0, altered 0, alerts (?P<alerts>\d+); content of (?P<compared>\d+) of (?P=stored) records "
    r"compared( \(seed \d+\))?$",
    re.MULTILINE,
)
# the symbol, and the minute of the event: the window of an alert
ALERT = re.compile(r"^ *Stock alert: (\w+) \S+ >= 1200\.00 +(\d\d:\d\d):", re.MULTILINE)


def stockpipe(*words: str, port: int, state: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stockpipe", *words],
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "STOCKPIPE_STATE_DIR": str(state),
            "COLUMNS": "200",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    "engine",
    [pytest.param("localstack", marks=pytest.mark.localstack), pytest.param("ministack", marks=pytest.mark.ministack)],
)
def test_the_demo_ends_by_itself_with_the_proof_and_leaves_nothing(engine: str, free_port: int, tmp_path: Path) -> None:
    result = stockpipe("demo", "--seconds", "5", "--seed", "7", "--engine", engine, port=free_port, state=tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    proof = RECONCILED.search(result.stdout)
    assert proof, result.stdout
    assert proof["produced"] == proof["stored"] == "100"
    assert "The last records in S3" in result.stdout
    assert "stockpipe query top_movers" in result.stdout
    assert "Stopped the engine" in result.stdout
    assert not answers(free_port)
    assert "\x1b[" not in result.stdout


@pytest.fixture
def stopped_at_the_end(free_port: int, tmp_path: Path) -> Iterator[None]:
    """Whatever the test finds wrong, no engine goes on."""
    yield
    stockpipe("emulator", "stop", port=free_port, state=tmp_path)
    assert not answers(free_port)


@pytest.mark.ministack
@pytest.mark.usefixtures("stopped_at_the_end")
def test_a_demo_that_is_kept_can_be_used_and_then_stopped(free_port: int, tmp_path: Path) -> None:
    kept = stockpipe(
        "demo", "--seconds", "12", "--seed", "7", "--engine", "ministack", "--keep", port=free_port, state=tmp_path
    )
    assert kept.returncode == 0, kept.stdout + kept.stderr
    alerts = ALERT.findall(kept.stdout)
    assert f"Alerts ({len(alerts)}), as a subscriber of StockAlerts gets them" in kept.stdout
    assert {symbol for symbol, _ in alerts} == {"TSLA", "NFLX"}
    assert len(set(alerts)) == len(alerts), "one per symbol and minute"
    assert answers(free_port)

    # a second demo uses the engine that answers, and leaves it and the resources that it found
    again = stockpipe("demo", "--seconds", "2", "--seed", "7", port=free_port, state=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "using it" in again.stdout
    assert "no change" in again.stdout
    assert "Alerts (" not in again.stdout, "none of the run before"
    assert answers(free_port)
    assert stockpipe("status", port=free_port, state=tmp_path).returncode == 0

    assert stockpipe("emulator", "stop", "--port", str(free_port), port=free_port, state=tmp_path).returncode == 0
    assert not answers(free_port)


def interrupted_demo(at: str, signal_number: int, port: int, state: Path) -> tuple[int, str]:
    """Run a long demo, and send it a signal once it has printed a line with `at`: its exit code, and what followed."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "STOCKPIPE_STATE_DIR": str(state),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "stockpipe", "demo", "--seconds", "200", "--engine", "ministack"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout
        lines = iter(demo.stdout)
        while at not in next(lines):
            pass
        demo.send_signal(signal_number)
        rest = "".join(lines)
    return demo.returncode, rest


def nothing_of_an_engine(port: int, state: Path) -> bool:
    emulators = state / "emulators"
    return not (answers(port) or (emulators / str(port)).exists() or list(emulators.glob("*.json")))


@pytest.mark.ministack
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_stops_what_it_started(signal_number: int, free_port: int, tmp_path: Path) -> None:
    # when a demo whose market has sent ticks is told to end
    exit_code, rest = interrupted_demo(": sent ", signal_number, free_port, tmp_path)

    # then it closes the market, proves what was sent, and leaves no engine
    assert "reconciled: " in rest, rest
    assert rest.endswith("Stopped the engine: nothing is left running.\n"), rest
    assert exit_code == 0, rest
    assert nothing_of_an_engine(free_port, tmp_path)


@pytest.mark.ministack
@pytest.mark.parametrize(
    ("at", "signal_number"),
    [
        ("Starting ministack", signal.SIGINT),
        ("Starting ministack", signal.SIGTERM),
        ("Creating the resources", signal.SIGINT),
        ("Creating the resources", signal.SIGTERM),
    ],
)
def test_a_demo_that_is_interrupted_early_leaves_nothing(
    at: str, signal_number: int, free_port: int, tmp_path: Path
) -> None:
    exit_code, rest = interrupted_demo(at, signal_number, free_port, tmp_path)

    assert exit_code == 128 + signal_number, rest
    assert "Traceback" not in rest
    assert nothing_of_an_engine(free_port, tmp_path), rest


def test_the_demo_does_not_run_on_aws(tmp_path: Path, free_port: int) -> None:
    config = tmp_path / "config"
    config.write_text("[profile prod]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}

    result = subprocess.run(
        [sys.executable, "-m", "stockpipe", "demo", "--profile", "prod"],
        env={**environment, "AWS_CONFIG_FILE": str(config), "STOCKPIPE_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert result.returncode == 2
    assert "profile prod is AWS, and the demo is for emulators" in result.stderr
