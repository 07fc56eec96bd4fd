"""Exit codes and the one line that comes with them."""

import shlex
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError

from profiles.errors import CannotRunError
from terminal import EXIT_CHECK_FAILED, write
from terminal.commands import command_line, run
from tests.support.command_line import stockpipe


def run_and_get_code(command: object, argv: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["stockpipe", *argv])
    with pytest.raises(SystemExit) as exit_info:
        run(command_line("stockpipe", "", default_command=command))
    code = exit_info.value.code
    return code if isinstance(code, int) else 0


def test_a_command_that_ends_well_exits_0(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        write("done")

    assert run_and_get_code(command, [], monkeypatch) == 0


def test_a_check_that_says_no_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_and_get_code(lambda: False, [], monkeypatch) == EXIT_CHECK_FAILED
    assert run_and_get_code(lambda: True, [], monkeypatch) == 0


def test_what_cannot_run_exits_2_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise CannotRunError("the queue [StockQueue] is missing; run: stockpipe up")

    assert run_and_get_code(command, [], monkeypatch) == 2
    assert capsys.readouterr().err == "error: the queue [StockQueue] is missing; run: stockpipe up\n"


def test_what_aws_refuses_exits_2_with_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "SendMessage")

    assert run_and_get_code(command, [], monkeypatch) == 2
    assert "AccessDenied" in capsys.readouterr().err


def test_what_aws_says_in_many_lines_is_shown_on_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise ClientError({"Error": {"Code": "X", "Message": "one\n\ntwo \x1b[31m"}}, "SendMessage")

    assert run_and_get_code(command, [], monkeypatch) == 2
    assert capsys.readouterr().err == (
        "error: AWS refused: An error occurred (X) when calling the SendMessage operation: one two \\x1b[31m\n"
    )


def test_what_nobody_foresaw_exits_2_and_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise ZeroDivisionError("a defect of ours")

    assert run_and_get_code(command, [], monkeypatch) == 2
    said = capsys.readouterr().err
    assert "test_commands.py" in said
    assert "a defect of ours" in said


def test_an_unknown_option_exits_2_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        write("never")

    assert run_and_get_code(command, ["--nonsense"], monkeypatch) == 2
    assert capsys.readouterr() == ("", "error: Unknown option: --nonsense. See: stockpipe --help\n")


def test_ctrl_c_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        raise KeyboardInterrupt

    assert run_and_get_code(command, [], monkeypatch) == 130


def test_a_reader_of_the_output_that_ends_is_no_error() -> None:
    program = "from terminal.commands import command_line, run\nfrom terminal import write\n" + (
        "run(command_line('x', '', default_command=lambda: [write('x' * 1000) for _ in range(1000)] and None))"
    )
    answer = subprocess.run(  # noqa: S602 - the pipe is what is tested
        f"{shlex.join([sys.executable, '-c', program])} | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (answer.stdout, answer.stderr) == ("x" * 1000 + "\n", "")


@pytest.mark.parametrize("value", ["1.5", "1e3", "0x10", "1_000", "\u0663", "nan", ""])
def test_a_whole_number_has_decimal_digits_only(value: str) -> None:
    answer = stockpipe("dlq", "list", f"--limit={value}")
    assert answer.exit_code == 2
    assert f"--limit: {value!r} is not a whole number. See: stockpipe dlq list --help" in answer.error


def test_of_an_option_that_is_repeated_the_last_counts() -> None:
    answer = stockpipe("plan", "--from-scratch", "--prefix", "alice", "--prefix", "bob")
    assert "queue bob-StockQueue" in answer.stdout
    assert "alice" not in answer.stdout


def test_an_option_comes_from_its_variable_and_an_empty_one_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_PREFIX", "alice")
    monkeypatch.setenv("STOCKPIPE_BATCH_SIZE", "")
    assert "queue alice-StockQueue" in stockpipe("plan", "--from-scratch").stdout
    assert "queue bob-StockQueue" in stockpipe("plan", "--from-scratch", "--prefix", "bob").stdout
    monkeypatch.setenv("STOCKPIPE_BATCH_SIZE", "many")
    assert "STOCKPIPE_BATCH_SIZE" in stockpipe("plan", "--from-scratch").error
