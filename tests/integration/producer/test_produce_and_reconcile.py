"""The commands as a user runs them: processes of their own, on real engines, interrupted and killed."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bootstrap
from operations.reconcile import reconcile
from pipeline.contract import CONTRACT
from pipeline.source import Market
from producer.manifest import ManifestWriter, Sent, all_paths, earlier_paths, read, sent_ids
from producer.production import Production, simulated
from tests.support.environments import at, stock_names, stock_settings
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
MARKET = ("--seed", "7", "--start", "2026-01-05T14:30:00Z", "--groups", "AAPL,NFLX,TSLA")
MARKET_START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


class Shell:
    """Runs our commands against one engine, in an environment of its own."""

    def __init__(self, engine: Any, prefix: str, state: Path) -> None:
        self.aws = engine.aws
        self.environment = at(self.aws, stock_names(self.aws.account, prefix))
        self.state = state
        self._environ = {
            **os.environ,
            "AWS_ENDPOINT_URL": engine.endpoint_url,
            "STOCKPIPE_STATE_DIR": str(state),
            "STOCKPIPE_PREFIX": prefix,
        }

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*command)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def produce(self, *options: str) -> "subprocess.CompletedProcess[str]":
        return self.run("producer/producer.py", *options)

    def reconcile(self, *options: str) -> "subprocess.CompletedProcess[str]":
        return self.run("-m", "stockpipe", "reconcile", "--wait", "60", *options)

    def manifests(self) -> list[Path]:
        return sorted(self.state.glob("manifests/*/*/*.jsonl"))


def check_commands(shell: Shell) -> None:
    # given an environment
    bootstrap.up(shell.environment, stock_settings())

    # when half a minute of market is played as fast as possible
    played = shell.produce(*MARKET, "--duration", "30", "--rate", "3", "--speed", "max", "--json")
    assert played.returncode == 0, played.stderr
    summary = json.loads(played.stdout)
    assert (summary["sent"], summary["failed"]) == (90, 0)

    # then every tick is proven to be stored once, and at least one alert was sent
    proof = shell.reconcile("--json")
    assert proof.returncode == 0, proof.stdout + proof.stderr
    result = json.loads(proof.stdout)
    assert (result["produced"], result["stored"], result["missing"], result["duplicated"]) == (90, 90, [], [])
    assert result["alerts"] >= 1

    # and when a replay is interrupted, it ends cleanly and says what it sent
    paced = shell.start("producer/producer.py", "--replay", "daily-closes", "--count", "120", "--speed", "500000")
    wait_until(lambda: len(shell.manifests()) == 2 and len(sent_ids(shell.manifests()[1], CONTRACT)) >= 10)
    paced.send_signal(signal.SIGINT)
    out, err = paced.communicate(timeout=60)
    sent = sent_ids(shell.manifests()[1], CONTRACT)
    assert paced.returncode == 0, err
    assert 10 <= len(sent) < 120
    assert out.startswith(f"sent {len(sent)} ticks in ")

    # then resuming sends exactly the rest
    rest = shell.produce("--replay", "daily-closes", "--count", "120", "--resume")
    assert rest.returncode == 0, rest.stderr
    assert rest.stdout.startswith(f"sent {120 - len(sent)} ticks in ")
    assert len(list(read(shell.manifests()[1], CONTRACT))) == 120
    proof = shell.reconcile()
    assert proof.returncode == 0, proof.stdout
    assert proof.stdout.startswith("reconciled: 120 produced = 120 stored + 0 dead-lettered; missing 0, duplicated 0, ")

    # and a tick that is nowhere is named
    with ManifestWriter(shell.manifests()[1], resume=True) as writer:
        lost = next(iter(Market(1, MARKET_START).records()))
        writer.append([Sent(lost, "none")])
    proof = shell.reconcile()
    assert proof.returncode == 1
    assert f"missing: {lost.tick_id}" in proof.stdout
    bootstrap.down(shell.environment, stock_settings())


def check_kill(shell: Shell) -> None:
    """kill -9 at any moment, then --resume: every tick is stored once, none twice."""
    bootstrap.up(shell.environment, stock_settings())
    command = (*MARKET, "--rate", "100", "--count", "150")
    killed = shell.start("producer/producer.py", *command)
    wait_until(lambda: len(shell.manifests()) == 1 and len(sent_ids(shell.manifests()[0], CONTRACT)) >= 30)
    killed.kill()
    killed.communicate(timeout=60)

    resumed = shell.produce(*command, "--resume", "--speed", "max")
    assert resumed.returncode == 0, resumed.stderr
    assert len(shell.manifests()) == 1
    proof = shell.reconcile()
    assert proof.returncode == 0, proof.stdout
    assert proof.stdout.startswith("reconciled: 150 produced = 150 stored + 0 dead-lettered; missing 0, duplicated 0, ")
    bootstrap.down(shell.environment, stock_settings())


def check_dead_letters(engine: Any, prefix: str, folder: Path) -> None:
    """A tick that sits in the dead-letter queue is found there, again and again, by its id."""
    environment = at(engine.aws, stock_names(engine.aws.account, prefix))
    bootstrap.up(environment, stock_settings())
    market = Market(7, MARKET_START, groups=("AAPL", "GOOG"))
    path = folder / "run.jsonl"
    Production(environment, simulated(market, count=20, speed=None), manifest=path).run()
    dead = [tick for tick, _ in zip(Market(8, MARKET_START, groups=("AAPL",)).records(), range(12), strict=False)]
    queue = engine.aws.sqs.get_queue_url(QueueName=environment.names.dead_letter_queue)["QueueUrl"]
    with ManifestWriter(path, resume=True) as writer:
        for tick in dead:
            message = engine.aws.sqs.send_message(QueueUrl=queue, MessageBody=CONTRACT.encode(tick))
            writer.append([Sent(tick, message["MessageId"])])
    for _ in range(2):
        result = reconcile(environment, [path], wait_seconds=60)
        assert result.holds
        assert result.line.startswith("reconciled: 32 produced = 20 stored + 12 dead-lettered; missing 0, duplicated 0")
        assert {letter.record_id for letter in result.dead_lettered} == {tick.tick_id for tick in dead}
    bootstrap.down(environment, stock_settings())


def test_commands_on_ministack(ministack: Any, tmp_path: Path) -> None:
    check_commands(Shell(ministack, "produce", tmp_path))


def test_commands_on_localstack(localstack: Any, tmp_path: Path) -> None:
    check_commands(Shell(localstack, "produce", tmp_path))


def test_kill_on_ministack(ministack: Any, tmp_path: Path) -> None:
    check_kill(Shell(ministack, "kill", tmp_path))


def test_kill_on_localstack(localstack: Any, tmp_path: Path) -> None:
    check_kill(Shell(localstack, "kill", tmp_path))


def test_dead_letters_on_ministack(ministack: Any, tmp_path: Path) -> None:
    check_dead_letters(ministack, "dead", tmp_path)


def test_dead_letters_on_localstack(localstack: Any, tmp_path: Path) -> None:
    check_dead_letters(localstack, "dead", tmp_path)


def check_new_environment(engine: Any, prefix: str) -> None:
    """What was sent before `down` isn't looked for in what `up` makes anew."""
    environment = at(engine.aws, stock_names(engine.aws.account, prefix))
    bootstrap.up(environment, stock_settings())
    sent = Production(environment, simulated(Market(7, MARKET_START), count=20, speed=None)).run()
    assert all_paths(environment) == [sent.manifest]
    bootstrap.down(environment, stock_settings())
    bootstrap.up(environment, stock_settings())
    assert all_paths(environment) == []
    assert earlier_paths(environment) == [sent.manifest]
    bootstrap.down(environment, stock_settings())


def test_a_new_environment_on_ministack(ministack: Any) -> None:
    check_new_environment(ministack, "anew")


def test_without_an_environment_the_producer_says_what_to_do(ministack: Any, tmp_path: Path) -> None:
    answer = Shell(ministack, "none", tmp_path).produce("--count", "1")
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1] == (
        "error: there is no queue none-StockQueue in profile local; run: stockpipe up --prefix none"
    )
