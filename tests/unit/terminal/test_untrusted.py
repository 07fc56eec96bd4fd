"""Text that came from elsewhere is shown, not obeyed, on every terminal."""

import io
import json
import subprocess
import sys

import pytest

from terminal import LineConsole
from terminal.untrusted import one_line, printable
from tests.support.command_line import stockpipe

HOSTILE = "a\ud800\x00\x1b[31m\u202e\r\x9b\u2028\ufeff[red][/]:cat:"
ESCAPED = "a\\ud800\\x00\\x1b[31m\\u202e\\x0d\\x9b\\u2028\\ufeff[red][/]:cat:"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable(HOSTILE) == ESCAPED
    assert printable("é ✓ → 🐈\n\t") == "é ✓ → 🐈\n\t"


def test_a_line_of_a_megabyte_is_cut() -> None:
    assert one_line("x\n" * 500_000, 20) == "x x x x x x x x x x…"[:19] + "…"
    assert one_line("a  b", 20) == "a b"


def test_whatever_is_printed_is_escaped_though_the_caller_forgot_it() -> None:
    out = io.StringIO()
    console = LineConsole(file=out, force_terminal=True, color_system=None, emoji=False)
    console.print(HOSTILE, markup=False, soft_wrap=True)
    assert out.getvalue() == ESCAPED.replace("\\x0d", "") + "\n"  # Rich itself leaves out a carriage return


def test_a_terminal_that_takes_ascii_only_is_no_reason_to_fail() -> None:
    # given a program that prints what ASCII doesn't have, as text and as JSON
    program = (
        "import terminal\n"
        "from terminal.commands import command_line, run\n"
        "app = command_line('show', '')\n"
        "@app.default\n"
        "def show() -> None:\n"
        "    terminal.console.print('✓ \\ud800')\n"
        "    terminal.print_json({'id': '\\ud800\\x1b'})\n"
        "run(app)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONIOENCODING": "ascii:strict", "LANG": "C", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split("\n", 1)

    # then all is shown, and the JSON is still the same text
    assert said[0] == "\\u2713 \\ud800"
    assert json.loads(said[1]) == {"id": "\ud800\x1b"}


@pytest.mark.parametrize("argument", ["a\0b", "\udcff"])
def test_an_argument_that_is_not_text_is_one_line(argument: str) -> None:
    answer = stockpipe(argument)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "is not valid UTF-8 text" in answer.error
