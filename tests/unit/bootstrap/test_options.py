"""The settings of a pipeline are the options of the commands that are about it."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.command_line import Answer, stockpipe

ROOT = Path(__file__).parents[3]


@pytest.fixture
def dear(tmp_path: Path) -> str:
    """A pipeline whose threshold is called a limit."""
    folder = tmp_path / "dear"
    shutil.copytree(ROOT / "pipeline", folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    rules = folder / "rules.py"
    rules.write_text(rules.read_text().replace('"--alert-threshold"', '"--price-limit"'))
    return str(folder)


def threshold(answer: Answer) -> str:
    """The threshold that a plan gives the function."""
    assert answer.exit_code == 0, answer.stderr
    (call,) = (line for line in answer.stdout.splitlines() if line.strip().startswith("lambda.CreateFunction "))
    variables: dict[str, str] = json.loads(call.strip().partition(" ")[2])["Environment"]["Variables"]
    return variables["ALERT_THRESHOLD"]


def plan(*options: str) -> Answer:
    return stockpipe("plan", "--from-scratch", "--dry-run", *options)


def test_the_pipeline_is_found_on_the_command_line_before_its_options_are_read(dear: str) -> None:
    assert threshold(plan("--price-limit", "7", "--pipeline", dear)) == "7"
    assert threshold(plan(f"--pipeline={dear}", "--price-limit", "8")) == "8"
    assert threshold(plan("--alert-threshold", "9")) == "9"
    assert "Unknown option: --alert-threshold" in plan("--pipeline", dear, "--alert-threshold", "9").error
    assert "--price-limit FLOAT: " in stockpipe("up", "--pipeline", dear, "--help").stdout


def test_the_pipeline_of_the_variable_has_its_options_and_variables(dear: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_PIPELINE", dear)
    monkeypatch.setenv("STOCKPIPE_PRICE_LIMIT", "7")
    assert threshold(plan()) == "7"


def test_a_folder_that_is_no_pipeline_is_one_line(tmp_path: Path) -> None:
    for command in (["plan"], ["status"], ["query", "x"], ["produce"], ["dlq", "list"], ["export", "cloudformation"]):
        answer = stockpipe(*command, "--pipeline", str(tmp_path))
        assert (answer.exit_code, answer.stdout) == (2, "")
        assert answer.error.startswith(f"{tmp_path} is not a pipeline's folder")
