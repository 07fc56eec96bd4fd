"""Which environment a command works on: pipeline, profile and names."""

import shutil
from pathlib import Path

import pytest

from profiles.errors import CannotRunError
from profiles.pipeline import VARIABLE
from profiles.session import Aws
from terminal.environment import Where

ROOT = Path(__file__).parents[3]


@pytest.fixture
def trades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline whose records are called trades; and an account without asking for it."""
    monkeypatch.setattr(Aws, "account", "123456789012")
    shutil.copytree(ROOT / "pipeline", tmp_path / "trades", ignore=shutil.ignore_patterns("__pycache__", "data"))
    contract = tmp_path / "trades" / "contract.py"
    contract.write_text(contract.read_text().replace('noun="tick"', 'noun="trade"'))
    return tmp_path / "trades"


def test_the_pipeline_is_the_given_one_or_the_variables_or_the_example(
    trades: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Where().open().contract.noun == "tick"
    assert Where(pipeline=str(trades)).open().contract.noun == "trade"
    monkeypatch.setenv(VARIABLE, str(trades))
    assert Where().open().contract.noun == "trade"


@pytest.mark.usefixtures("trades")
def test_names_are_those_of_the_account_the_prefix_and_the_bucket() -> None:
    names = Where(prefix="alice", bucket="my-bucket").open().names
    assert (names.account, names.queue, names.bucket) == ("123456789012", "alice-StockQueue", "my-bucket")
    with pytest.raises(CannotRunError, match="prefix 'Alice'"):
        Where(prefix="Alice").open()


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="is not a pipeline's folder"):
        Where(pipeline=str(tmp_path)).open()
