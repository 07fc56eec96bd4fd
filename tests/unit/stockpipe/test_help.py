"""`--help` of every command, as a person reads it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from stockpipe.cli import app
from tests.support.command_line import stockpipe

ROOT = Path(__file__).parents[3]


def commands(group: App, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All commands and groups of commands; importing them."""
    yield words
    for name in group:
        if not name.startswith("-"):
            yield from commands(group[name], (*words, name))


ALL = [" ".join(words) for words in commands(app)]


def help_of(words: str) -> str:
    shown = stockpipe(*words.split(), "--help")
    assert (shown.exit_code, shown.stderr) == (0, "")
    return shown.stdout


def test_all_commands_are_looked_at() -> None:
    assert {"", "demo", "alerts", "emulator start", "dlq list"} <= set(ALL)


@pytest.mark.parametrize("words", ALL)
def test_no_line_breaks_within_a_sentence(words: str) -> None:
    """In a pipe, every line is whole: it ends a sentence, introduces examples, or is one."""
    usage, *lines = [line for line in help_of(words).splitlines() if line]
    assert usage.startswith("Usage: stockpipe")
    assert lines
    for line in lines:
        assert line.startswith("    ") or line.endswith((".", ":", "]")), line


@pytest.mark.parametrize("words", ALL)
def test_every_option_and_command_is_described(words: str) -> None:
    entries = [line for line in help_of(words).splitlines() if line.startswith("  ") and not line.startswith("    ")]
    assert [line for line in entries if ": " not in line or ": [" in line] == []


def test_the_list_says_of_each_command_what_its_own_help_begins_with() -> None:
    listed = dict(
        line.strip().split(": ", 1) for line in help_of("").splitlines() if line[:3].strip() and line[:2] == "  "
    )
    for name in (words for words in ALL if words and " " not in words):
        assert help_of(name).splitlines()[2].startswith(listed[name]), name


def test_commands_are_grouped_by_what_a_user_wants_to_do() -> None:
    titles = [line for line in help_of("").splitlines() if line.endswith(":") and " " not in line[:1]]
    groups = [title for title in titles if title != "A first session:"]
    assert groups == ["Start here:", "Deploy:", "Send:", "Watch and check:", "Query:", "Repair:", "Options:"]


def test_the_examples_are_commands_that_exist() -> None:
    examples = [line.split() for words in ALL for line in help_of(words).splitlines() if line[4:14] == "stockpipe "]
    assert len(examples) > 10
    for _, *words in examples:
        command = next(" ".join(words[:length]) for length in (2, 1) if " ".join(words[:length]) in ALL)
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert [option for option in sorted(options) if option not in help_of(command)] == [], words


def test_the_root_help_imports_no_room() -> None:
    program = (
        "import sys; from stockpipe.cli import app; app(['--help'], result_action='return_value'); "
        "print(sorted({'boto3', 'pipeline', 'bootstrap', 'operations', 'analytics', 'console'} & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", ["", "dlq", "emulator", "export"])
def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2(words: str) -> None:
    shown = stockpipe(*words.split())
    assert (shown.exit_code, shown.stdout) == (2, help_of(words))
