"""Queries of a pipeline that has nothing to do with ticks: other fields, other folders, one table."""

from dataclasses import replace
from pathlib import Path

import pytest

from analytics import HistoryError, run_query
from analytics.history import run_compaction
from profiles.environment import Environment
from profiles.pipeline import load
from runtime.clock import from_epoch_ms
from tests.unit.analytics.conftest import History
from tests.unit.runtime.readings import READING, READINGS

FILES = {
    "contract.py": "from tests.unit.runtime.readings import READINGS as CONTRACT\n",
    "sql/create_readings.sql": """
CREATE EXTERNAL TABLE IF NOT EXISTS ${database}.readings (${reading_id}, ${other_columns})
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://${bucket}/${prefix}'
""",
    "sql/warmest.sql": "-- Warmest.\n-- Reads: readings\nSELECT MAX(celsius) AS celsius FROM ${database}.${table}\n",
    **dict.fromkeys(("rules.py", "declaration.py", "source.py"), ""),
}


@pytest.fixture
def sensors(history: History, tmp_path: Path) -> Environment:
    for name, text in FILES.items():
        file = tmp_path / "sensors" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Environment(load(tmp_path / "sensors"), history.aws, history.names)


def store(history: History) -> None:
    for number, site in enumerate(("attic", "attic", "cellar")):
        reading = replace(READING, reading_id=f"r-{number}", site=site, celsius=20.5 + number, counter=number)
        now = from_epoch_ms(reading.epoch_ms)
        line = READINGS.encode_stored(reading, sent_timestamp_ms=reading.epoch_ms, processed_at=now, alert=False)
        history.put(READINGS.key(reading), line.encode())


def test_its_named_queries_and_own_sql_read_its_table(history: History, sensors: Environment) -> None:
    store(history)
    assert run_query(sensors, "warmest", "duckdb").rows == ((22.5,),)
    assert run_query(sensors, "SELECT COUNT(*) FROM readings WHERE counter > 0", "duckdb").rows == ((2,),)
    with pytest.raises(HistoryError, match=r"there is no table records.*: readings$"):
        run_query(sensors, "SELECT COUNT(*) FROM records", "duckdb")


def test_only_the_folders_of_its_first_group_field_are_read(history: History, sensors: Environment) -> None:
    store(history)
    history.s3.requests.clear()
    assert run_query(sensors, "SELECT COUNT(*) FROM readings WHERE site = 'attic'", "duckdb").rows == ((2,),)
    assert {one.split("/")[2] for one in history.s3.requests if one.endswith(".json")} == {"attic"}


def test_an_empty_table_is_described_in_its_words(history: History, sensors: Environment) -> None:
    history.put("other/file", b"x")
    (note,) = run_query(sensors, "warmest", "duckdb").notes
    assert note == (
        f"Table readings is empty: there is no matching object under s3://{history.names.bucket}/readings/. Either no "
        "reading was sent yet (stockpipe produce), or none has arrived (stockpipe doctor)"
    )


def test_without_sql_for_it_nothing_is_compacted(sensors: Environment) -> None:
    asked: list[str] = []
    with pytest.raises(
        HistoryError, match=r"^this pipeline has no compaction: .*/sensors/sql has no folder compaction$"
    ):
        run_compaction(sensors, announce=asked.append)
    assert not asked, "no engine is chosen for it"
