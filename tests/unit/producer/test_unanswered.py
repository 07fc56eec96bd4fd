"""SQS accepts connections and never answers: how long does it take to give up, to stop, and to end at once?"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from pipeline.contract import CONTRACT
from pipeline.source import Market
from producer.manifest import read, sent_ids
from producer.production import LATE_SECONDS, Production, Source, Summary, simulated
from producer.sender import CLIENT_SETTINGS, FINISH_SECONDS, PATIENCE_SECONDS, WORKERS
from profiles.errors import CannotRunError
from profiles.names import Names
from tests.support.environments import at
from tests.support.sqs_stand_in import Entries, SqsStandIn, accepted
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
MARKET = Market(7, datetime(2026, 1, 5, 14, 30, tzinfo=UTC))
READ_TIMEOUT: float = CLIENT_SETTINGS["read_timeout"]


class Frozen:
    """An SQS that stops answering after some calls; its calls hang until the test is over."""

    def __init__(self, sqs: Any, answered: int) -> None:
        self.hanging = 0
        self.thaw = threading.Event()
        self._lock = threading.Lock()
        self._answered = answered
        sqs.before_call = self._call

    def _call(self, number: int) -> None:
        if number > self._answered:
            with self._lock:
                self.hanging += 1
            self.thaw.wait()


@pytest.fixture
def start(aws: Any, names: Names, clock: Any) -> Any:
    """Runs a production in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:

        def run(source: Source, **options: Any) -> tuple[Production, "Future[Summary]"]:
            production = Production(at(aws, names), source, clock=clock, **options)
            return production, pool.submit(production.run)

        yield run


def test_a_run_without_any_progress_gives_up_as_a_whole(aws: Any, sqs: Any, names: Names, clock: Any) -> None:
    """It took 657 s, because each batch had a patience of its own."""

    # given an SQS that never answers: each call takes as long as its timeout
    def hang(_number: int) -> None:
        clock.pass_by(READ_TIMEOUT)
        raise ReadTimeoutError(endpoint_url="http://localhost")

    sqs.before_call = hang

    # when an endless market is sent
    production = Production(at(aws, names), simulated(MARKET, speed=None), clock=clock)
    with pytest.raises(CannotRunError, match=r"SQS accepted nothing for \d+ s, so the run was stopped: ReadTimeout"):
        production.run()

    # then it ends after its patience and at most one more call of each thread
    assert production.seconds <= PATIENCE_SECONDS + 2 * WORKERS * (READ_TIMEOUT + 6)
    assert production.sent == 0
    assert production.failed == len(production.summary().failures) > 0


def test_a_run_gives_up_even_if_its_calls_never_return(start: Any, sqs: Any, clock: Any) -> None:
    """As when an answer comes byte by byte: no timeout of the socket ends that."""
    frozen = Frozen(sqs, answered=3)
    production, run = start(simulated(MARKET, speed=None))
    wait_until(lambda: frozen.hanging == WORKERS and production.sent == 30)
    clock.pass_by(PATIENCE_SECONDS + 20)
    wait_until(lambda: (clock.pass_by(0.1), run.done())[1])
    with pytest.raises(CannotRunError, match=r"SQS accepted nothing for 11\d s, so the run was stopped: calls do"):
        run.result()
    assert production.sent == 30
    assert production.failed >= 10 * WORKERS
    frozen.thaw.set()


def test_progress_of_other_batches_renews_the_patience(aws: Any, sqs: Any, names: Names, clock: Any) -> None:
    """Minutes in which every second call fails are no reason to give up."""

    def every_second(number: int) -> None:
        clock.pass_by(1.0)
        if number % 2:
            raise ReadTimeoutError(endpoint_url="http://localhost")

    sqs.before_call = every_second
    summary = Production(at(aws, names), simulated(MARKET, count=2000, speed=None), clock=clock).run()
    assert summary.seconds > 4 * PATIENCE_SECONDS
    assert (summary.sent, summary.failed) == (2000, 0)


def test_a_stopped_run_waits_a_few_seconds_for_answers(start: Any, sqs: Any, clock: Any) -> None:
    # given a run with 30 ticks accepted, and everything after that without an answer
    frozen = Frozen(sqs, answered=3)
    production, run = start(simulated(MARKET, speed=None))
    wait_until(lambda: frozen.hanging == WORKERS and production.sent == 30)

    # when it is stopped
    production.stop.set()
    clock.pass_by(FINISH_SECONDS - 0.1)
    assert not run.done()
    wait_until(lambda: (clock.pass_by(0.1), run.done())[1])

    # then it ends within seconds; what has no answer is reported, and the manifest has what was accepted
    summary = run.result()
    assert summary.sent == 30 == len(sent_ids(summary.manifest, CONTRACT))
    assert summary.failed >= 10 * WORKERS
    assert {failure.code for failure in summary.failures} <= {"NoAnswer", "NotSent"}

    # and answers that come too late change nothing
    frozen.thaw.set()
    wait_until(lambda: len(sqs.accepted) == 30 + 10 * WORKERS)
    assert production.summary().sent == 30 == len(sent_ids(summary.manifest, CONTRACT))


@pytest.mark.parametrize("answered", [0, 3])
def test_a_duration_is_kept(start: Any, sqs: Any, clock: Any, answered: int) -> None:
    # given an SQS that freezes during a run of 15 s
    frozen = Frozen(sqs, answered)
    began = clock.monotonic()
    production, run = start(simulated(Market(7, MARKET.start, rate=1000), duration=15.0))
    wait_until(lambda: frozen.hanging == WORKERS)

    # when that time is over, and the margin
    clock.pass_by(began + 15 + LATE_SECONDS - clock.monotonic())
    wait_until(production.stop.is_set)
    clock.pass_by(FINISH_SECONDS)
    wait_until(run.done)

    # then it has ended, and says why
    with pytest.raises(CannotRunError, match="stopped 5 s after the end of --duration: SQS had not accepted all"):
        run.result()
    assert production.seconds == pytest.approx(15 + LATE_SECONDS + FINISH_SECONDS)
    assert production.sent == 10 * answered
    frozen.thaw.set()


def test_a_run_within_its_duration_holds(aws: Any, names: Names, clock: Any) -> None:
    summary = Production(at(aws, names), simulated(MARKET, duration=15.0), clock=clock).run()
    assert (summary.sent, summary.failed) == (300, 0)
    assert summary.seconds < 15


def test_an_abandoned_run_ends_at_once_with_a_whole_manifest(start: Any, sqs: Any) -> None:
    frozen = Frozen(sqs, answered=3)
    production, run = start(simulated(MARKET, speed=None))
    wait_until(lambda: frozen.hanging == WORKERS and production.sent == 30)
    production.abandon()
    summary = production.summary()
    assert summary.sent == 30 == len(list(read(summary.manifest, CONTRACT)))
    assert summary.failed >= 10 * WORKERS
    frozen.thaw.set()
    wait_until(run.done)
    assert production.summary().sent == 30 == len(list(read(summary.manifest, CONTRACT)))


class Shell:
    """The command in a process of its own, against a stand-in for SQS."""

    def __init__(self, folder: Path) -> None:
        self.manifest = folder / "m.jsonl"
        self._folder = folder

    def start(self, stand_in: SqsStandIn, *options: str, before: str = "") -> "subprocess.Popen[str]":
        produce = [sys.executable, "producer/producer.py", "--manifest", str(self.manifest), *options]
        shell = ["sh", "-c", f'{before}; exec "$@"', "sh"] if before else []
        return subprocess.Popen(
            [*shell, *produce],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._folder),
                "PYTHONDONTWRITEBYTECODE": "1",
                "AWS_ENDPOINT_URL": stand_in.endpoint_url,
                "STOCKPIPE_STATE_DIR": str(self._folder / "state"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def ids(count: int) -> set[str]:
    return {tick.tick_id for tick in islice(MARKET.records(), count)}


OPTIONS = ("--seed", "7", "--start", "2026-01-05T14:30:00Z", "--speed", "max")


def freezes_after(batches: int) -> Callable[[int, Entries], bytes]:
    return lambda number, entries: json.dumps(accepted(entries)).encode() if number <= batches else SqsStandIn.FROZEN


def test_a_second_ctrl_c_ends_at_once_though_threads_hang(tmp_path: Path) -> None:
    # given a producer whose SQS froze after five batches
    shell = Shell(tmp_path)
    with SqsStandIn() as stand_in:
        stand_in.answer = freezes_after(5)
        process = shell.start(stand_in, *OPTIONS)
        wait_until(lambda: stand_in.frozen == WORKERS and len(sent_ids(shell.manifest, CONTRACT)) == 50)

        # when another run wants to resume it meanwhile, it is refused
        _, err = shell.start(stand_in, *OPTIONS, "--resume").communicate(timeout=60)
        assert err.splitlines()[-1] == (
            f"error: another run writes the manifest {shell.manifest}: stop it, or wait until it has ended"
        )

        # and when Ctrl-C is pressed twice, the second time while it waits for the last answers
        process.send_signal(signal.SIGINT)
        assert process.stderr
        said = next((line for line in process.stderr if line.startswith("stopping: ")), "")
        assert said
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

        # then it ends at once, says what was sent, and the manifest is whole
        assert time.monotonic() - pressed < FINISH_SECONDS - 1
        assert process.returncode == 130, said + err
        assert out.startswith("sent 50 ticks in ")
        assert "Traceback" not in err
        answered = {
            f"m-{json.loads(entry['MessageBody'])['tick_id']}" for batch in stand_in.batches[:5] for entry in batch
        }
        assert {each.message_id for each in read(shell.manifest, CONTRACT)} == answered


def test_a_full_disk_is_reported_and_resumed(tmp_path: Path) -> None:
    # given a producer whose files may have a few kilobytes
    shell = Shell(tmp_path)
    with SqsStandIn() as stand_in:
        process = shell.start(stand_in, *OPTIONS, "--count", "400", before="ulimit -f 8")
        out, err = process.communicate(timeout=60)

        # then it says how many ticks SQS has that the manifest hasn't, and every line of that is whole
        written = sent_ids(shell.manifest, CONTRACT)
        lost = sum(len(batch) for batch in stand_in.batches) - len(written)
        assert process.returncode == 2
        assert out.startswith(f"sent {len(written)} ticks in ")
        error = err.splitlines()[-1]
        assert error.startswith(f"error: the manifest {shell.manifest} can't be written: File too large.")
        assert f"SQS accepted {lost} ticks that are not in it" in error
        assert shell.manifest.read_bytes().endswith(b"\n")

        # and with room again, resuming sends the rest
        process = shell.start(stand_in, *OPTIONS, "--count", "400", "--resume")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out.startswith(f"sent {400 - len(written)} ticks in ")
        assert sent_ids(shell.manifest, CONTRACT) == ids(400)
