"""Exit codes and the one line that comes with them."""

import pytest
import typer
from botocore.exceptions import ClientError

from profiles.errors import CannotRunError
from terminal import run


def run_and_get_code(command: object, argv: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    app = typer.Typer()
    app.command()(command)  # type: ignore[type-var]
    monkeypatch.setattr("sys.argv", ["stockpipe", *argv])
    with pytest.raises(SystemExit) as exit_info:
        run(app)
    code = exit_info.value.code
    return code if isinstance(code, int) else 0


def test_a_command_that_ends_well_exits_0(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        typer.echo("done")

    assert run_and_get_code(command, [], monkeypatch) == 0


def test_a_check_that_says_no_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        raise typer.Exit(1)

    assert run_and_get_code(command, [], monkeypatch) == 1


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
    assert "test_run.py" in said
    assert "a defect of ours" in said


def test_an_unknown_option_exits_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        typer.echo("never")

    assert run_and_get_code(command, ["--nonsense"], monkeypatch) == 2
