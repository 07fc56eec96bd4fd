"""A pipeline is a folder, loaded by its path, whatever else has the same name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from profiles.errors import CannotRunError
from profiles.pipeline import VARIABLE, load

ROOT = Path(__file__).parents[3]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the stock ticks with another noun, in a folder that is called like one of our rooms."""
    folder = tmp_path / "console"
    shutil.copytree(ROOT / "pipeline", folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    contract = folder / "contract.py"
    contract.write_text(contract.read_text().replace('noun="tick"', 'noun="trade"'))
    return folder


def test_the_default_is_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    found = load()
    assert found.is_default
    assert (found.folder, found.package) == (ROOT / "pipeline", "pipeline")
    assert found.contract.noun == "tick"
    assert [rule.name for rule in found.rules] == ["price", "volume"]


def test_the_variable_names_another_and_an_argument_wins(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(copied))
    assert load().contract.noun == "trade"
    assert not load().is_default
    assert load(ROOT / "pipeline").contract.noun == "tick"


def test_two_pipelines_live_side_by_side(copied: Path) -> None:
    theirs, ours = load(copied), load(ROOT / "pipeline")
    assert theirs.contract.noun == "trade"
    assert theirs.module("contract").__name__ != ours.module("contract").__name__
    assert theirs.contract.record is not ours.contract.record
    assert load(copied).contract is not None
    assert load(copied).module("contract") is theirs.module("contract")


def test_a_folder_that_is_called_like_a_room_does_not_replace_it(copied: Path) -> None:
    program = f"from profiles.pipeline import load; print(load({str(copied)!r}).contract.noun); import console.cli"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.stdout == "trade\n", ran.stderr


def test_what_is_missing_in_a_folder_is_named(copied: Path) -> None:
    (copied / "rules.py").unlink()
    shutil.rmtree(copied / "sql")
    with pytest.raises(CannotRunError, match=r"is not a pipeline's folder: it has no rules\.py, sql"):
        load(copied)


def test_what_is_wrong_in_a_module_is_raised_as_it_is(copied: Path) -> None:
    (copied / "contract.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        assert load(copied).contract
