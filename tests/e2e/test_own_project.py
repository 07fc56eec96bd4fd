"""A project of a user whose own folders are called like our rooms, beside an installed stockpipe."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = [str(Path(sys.executable).with_name("stockpipe"))]
MODULE = [sys.executable, "-m", "stockpipe"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a pipeline of its own, and with packages that are not ours and can't be imported."""
    for name in ("console", "terminal", "profiles", "operations"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('the user\\'s {name} was imported')\n")
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__", "data"))
    declaration = tmp_path / "pipeline" / "declaration.py"
    declaration.write_text(declaration.read_text().replace("StockQueue", "TradeQueue"))
    return tmp_path


def run(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.mark.parametrize("on_path", [False, True], ids=["", "on PYTHONPATH"])
@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_the_commands_find_their_own_modules_and_the_users_pipeline(
    project: Path, program: list[str], on_path: bool
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(project) if on_path else ""}
    command = [*program, "plan", "--from-scratch", "--pipeline", "./pipeline"]

    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stderr == ""
    assert "create  queue TradeQueue " in done.stdout


@pytest.mark.ministack
def test_the_demo_shows_the_users_pipeline(project: Path, free_port: int, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port}",
        "STOCKPIPE_STATE_DIR": str(tmp_path / "state"),
    }
    options = ["--pipeline", "./pipeline", "--engine", "ministack", "--seconds", "1"]

    done = run([*MODULE, "demo", *options], project, environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "reconciled: 20 produced = 20 stored" in done.stdout
