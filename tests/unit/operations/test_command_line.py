"""What every operator's command promises: help that teaches, no colour where nobody sees it, completion, exit codes."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stockpipe.cli import app
from tests.support.command_line import stockpipe

ROOT = Path(__file__).parents[3]
COMMANDS = (
    ["alerts"],
    ["logs"],
    ["trace", "some-id"],
    ["dlq", "list"],
    ["dlq", "show", "some-id"],
    ["dlq", "redrive"],
    ["dlq", "purge", "--yes"],
)


def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


def process(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return run(sys.executable, "-m", "stockpipe", *arguments, **environment)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_an_endpoint_one_line_says_what_to_do(
    command: list[str], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("STOCKPIPE_PROFILE", "local")
    answer = stockpipe(*command)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.error.endswith(f"Start the emulator with: stockpipe emulator start --port {free_port}")
    assert "\n" not in answer.error


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}], ids=["piped", "NO_COLOR"])
def test_no_colour_where_it_is_not_wanted(free_port: int, variables: dict[str, str]) -> None:
    answer = process("doctor", AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port}", **variables)
    assert answer.returncode == 1
    assert "\x1b[3" not in answer.stdout
    assert answer.stdout.splitlines()[-1] == "repair first: engine"


def test_the_shell_completes_commands(tmp_path: Path) -> None:
    script = tmp_path / "completion.sh"
    script.write_text(app.generate_completion(shell="bash"))  # noqa: S604 - the name of a shell
    ask = f"source {shlex.quote(str(script))}; COMP_WORDS=(stockpipe dlq ''); COMP_CWORD=2; _stockpipe"
    complete = run("bash", "-c", f"{ask}; echo ${{COMPREPLY[@]}}")
    assert complete.stdout.split() == ["list", "show", "redrive", "purge"], complete.stderr
