"""A log that stays within bounds while it is written and read."""

import errno
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import bounded_log
from tests.support.waiting import wait_until

LIMIT = 50_000

# A program that prints for ever, and so does a child of it; it is told when to go on.
CHATTY = """
import subprocess, sys
child = [sys.executable, "-c", "for line in open(0): print('child', 'x' * 100, flush=True)"]
child = subprocess.Popen(child, stdin=subprocess.PIPE, text=True)
for number, line in enumerate(sys.stdin):
    print("parent", number, "x" * 100, flush=True)
    child.stdin.write(line)
    child.stdin.flush()
"""


def test_a_program_and_its_children_print_on_within_bounds(tmp_path: Path) -> None:
    # given a program that prints
    log = tmp_path / "log"
    with (
        log.open("ab") as output,
        subprocess.Popen(
            bounded_log.command([sys.executable, "-c", CHATTY], log, LIMIT),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            text=True,
        ) as program,
    ):
        assert program.stdin is not None

        # when it has printed more than the bound, and goes on
        for _ in range(LIMIT // 100):
            program.stdin.write("\n")
        program.stdin.flush()
        wait_until(bounded_log.earlier(log).exists, seconds=10)
        wait_until(lambda: log.stat().st_size < LIMIT, seconds=10)
        program.stdin.write("\n")
        program.stdin.flush()
        program.stdin.close()

    # then the last lines of both are in the log, and the earlier ones beside it
    wait_until(lambda: "child" in log.read_text(), seconds=10)
    assert f"parent {LIMIT // 100} " in log.read_text()
    assert bounded_log.earlier(log).read_text().startswith(("parent 0 ", "child"))
    assert log.stat().st_size < LIMIT


def test_following_goes_on_across_the_moment_when_the_log_is_emptied(tmp_path: Path) -> None:
    # given a log that grows, and is emptied again and again
    log = tmp_path / "log"
    log.write_text("line 0\n")
    numbers = itertools.count(1)

    def grow() -> None:
        for step in range(3):
            with log.open("a") as file:
                file.write(f"line {next(numbers)}\n")
            if step == 1:
                bounded_log.shorten(log)

    # when somebody follows it
    followed = bounded_log.lines(log, iter([True] * 4 + [False]).__next__, grow)

    # then every line is seen once, in order
    assert list(followed) == [f"line {number}" for number in range(13)]


def test_read_later_the_log_begins_with_what_was_moved_away(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\nsecond\n")
    bounded_log.shorten(log)
    log.write_bytes(b"third \xff\nno newline")

    assert list(bounded_log.lines(log, lambda: False, pytest.fail)) == ["first", "second", "third \ufffd", "no newline"]


def test_where_the_copy_cannot_be_written_the_log_is_emptied_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text("text")

    def full(*_: object, **_others: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        bounded_log.shorten(log)

    assert log.read_text() == ""


@pytest.mark.parametrize("how", ["module", "code", "file"])
def test_a_program_is_run_as_python_runs_it(tmp_path: Path, how: str) -> None:
    # given a program as a module, as code or as a file
    code = "import sys; print(__name__, sys.argv[1:], sys.modules['__main__'] is not None); raise SystemExit(3)"
    (tmp_path / "small.py").write_text(code)
    program = {"module": ["-m", "small"], "code": ["-c", code], "file": ["-P", str(tmp_path / "small.py")]}[how]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}

    # when it is run with a log
    command = bounded_log.command([sys.executable, *program, "-x", "y"], tmp_path / "log")
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    # then it sees no difference
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "__main__ ['-x', 'y'] True\n", "")
