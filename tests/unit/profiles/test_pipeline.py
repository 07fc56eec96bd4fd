"""Pipelines are folders, loaded by their path, whatever they are called and whatever else is importable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import contract as stock_contract
from profiles.errors import CannotRunError
from profiles.names import ResourceNames
from profiles.pipeline import Pipeline, load

ROOT = Path(__file__).resolve().parents[3]
FACES = {
    "contract.py": """
        from dataclasses import dataclass
        from typing import ClassVar

        from runtime.contract import Contract
        from runtime.fields import Record, number, text, time

        @dataclass(frozen=True, slots=True)
        class Reading(Record):
            ID: ClassVar = "reading_id"
            GROUP: ClassVar = ("sensor",)
            reading_id: str = text("[a-z0-9-]+", "is not an id", meaning="unique", expected="an id")
            sensor: str = text("[a-z]+", "is not a name", meaning="which", expected="a name")
            celsius: float = number(meaning="degrees", expected="a number")
            timestamp: str = time(meaning="when")

        CONTRACT = Contract(Reading, prefix="readings/", noun="reading", plural="readings", charted="celsius")
        """,
    "rules.py": """
        from dataclasses import dataclass

        from runtime.alerts import Rule
        from runtime.settings import FunctionSettings, setting

        from .contract import Reading

        @dataclass(frozen=True)
        class Settings(FunctionSettings):
            highest: float = setting(80.0, "--highest", "Alert above this.", variable="HIGHEST")

        HOT = Rule[Reading, Settings]("hot", lambda reading, told: reading.celsius > told.highest, lambda *_: "Hot")
        RULES = (HOT,)
        """,
    "declaration.py": """
        from profiles.names import ResourceNames

        NAMES = ResourceNames("Readings", "Alarms", "Reader", "Role", "Policy", "readings", "work", "data")
        """,
    "source.py": "",
}


def made(folder: Path, *, initialized: bool = True) -> Path:
    """A pipeline's folder."""
    (folder / "sql").mkdir(parents=True)
    for name, text in FACES.items():
        lines = text.splitlines()
        (folder / name).write_text("\n".join(line[8:] for line in lines))
    if initialized:
        (folder / "__init__.py").write_text("")
    return folder


def assert_it_reads(pipeline: Pipeline, folder: Path) -> None:
    contract = pipeline.contract
    assert (contract.noun, contract.prefix) == ("reading", "readings/")
    values = {"sensor": "roof", "celsius": 90, "reading_id": "r-1", "timestamp": "2026-01-05T14:30:00Z"}
    [rule] = pipeline.rules
    assert rule.applies(contract.make(values), pipeline.settings())
    assert isinstance(pipeline.names, ResourceNames)
    assert pipeline.names.queue == "Readings"
    assert pipeline.sql == folder / "sql"
    assert Path(str(pipeline.module("source").__file__)).parent == folder


def test_without_a_folder_it_is_the_stock_ticks() -> None:
    pipeline = load()

    assert pipeline.contract is stock_contract.CONTRACT  # the very modules that Python imports by name
    assert pipeline.folder == ROOT / "pipeline"
    assert [rule.name for rule in pipeline.rules] == ["price", "volume"]
    assert pipeline.names.queue == "StockQueue"


@pytest.mark.parametrize("initialized", [True, False], ids=["with __init__.py", "without"])
@pytest.mark.parametrize("name", ["sensors", "my sensors-2", "1st", "class", "json", "über"])
def test_a_pipeline_is_loaded_by_its_path(name: str, initialized: bool, tmp_path: Path) -> None:
    folder = made(tmp_path / name, initialized=initialized)

    assert_it_reads(load(folder), folder)


@pytest.mark.parametrize("room", ["pipeline", "console", "terminal", "runtime", "stockpipe", "tests"])
def test_a_folder_may_be_called_like_one_of_our_rooms(room: str, tmp_path: Path) -> None:
    folder = made(tmp_path / room)

    assert_it_reads(load(folder), folder)
    assert load().contract is stock_contract.CONTRACT


def test_two_pipelines_of_the_same_name_are_two(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one" / "sensors"), made(tmp_path / "other" / "sensors")

    assert_it_reads(load(one), one)
    assert_it_reads(load(other), other)
    assert load(one).contract is not load(other).contract


def test_a_pipeline_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tmp_path / "sensors")
    monkeypatch.chdir(tmp_path)

    assert load(folder) == load(str(folder)) == load("sensors")
    assert load(folder).contract is load("sensors").contract


def test_the_environment_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tmp_path / "sensors")
    monkeypatch.setenv("STOCKPIPE_PIPELINE", str(folder))

    assert load().folder == folder
    assert load(ROOT / "pipeline").contract is stock_contract.CONTRACT


@pytest.mark.parametrize("face", [*FACES, "sql"])
def test_a_folder_that_lacks_a_face_is_refused(face: str, tmp_path: Path) -> None:
    folder = made(tmp_path / "sensors")
    (folder / face).rename(tmp_path / "away")

    with pytest.raises(CannotRunError) as refused:
        load(folder)

    assert str(refused.value) == f"{folder} is not a pipeline's folder: it has no {face}"


@pytest.mark.parametrize("what", ["missing", "file"])
def test_what_is_no_folder_is_refused(what: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotRunError, match="is not a pipeline's folder"):
        load(tmp_path / what)


def test_what_is_wrong_in_a_module_is_raised_as_it_is_each_time(tmp_path: Path) -> None:
    folder = made(tmp_path / "sensors")
    (folder / "contract.py").write_text("1 / 0")
    pipeline = load(folder)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            assert pipeline.contract


def test_a_users_own_folders_do_not_get_in_the_way(tmp_path: Path) -> None:
    """Where the working directory is first on Python's path, as with `python -m`."""
    for room in ("pipeline", "console", "terminal"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("raise SystemExit('the wrong one')")
    code = f"import sys; sys.path.append({str(ROOT)!r}); from profiles.pipeline import load; print(load().names.queue)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False
    )

    assert (run.stdout, run.stderr) == ("StockQueue\n", "")
