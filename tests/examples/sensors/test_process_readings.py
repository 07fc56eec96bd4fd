"""The function as it is zipped."""

import json
from pathlib import Path

from bootstrap.function_zip import build_function_zip
from tests.examples.sensors.conftest import SENSORS
from tests.support.zipped_function import invoke

HOT = '{"reading_id": "r-1", "site": "lyon", "sensor": "roof", "temperature": 25, "timestamp": "2026-07-01T12:00:00Z"}'
PLAIN = '{"site": "lyon", "sensor": "cellar", "temperature": 12.5, "humidity": 80}'
WRONG = '{"site": "lyon", "sensor": "cellar"}'


def test_it_stores_alerts_and_rejects(tmp_path: Path) -> None:
    done = invoke(SENSORS, SENSORS.settings(alert_temperature=25.0), HOT, PLAIN, WRONG, folder=tmp_path)  # type: ignore[call-arg]

    assert done.failed == ["m-2"]
    assert sorted(done.objects) == [
        "alerts/hot/lyon/roof/1782907200000.json",
        "readings/lyon/cellar/1782907200000-m-1.json",
        "readings/lyon/roof/1782907200000-r-1.json",
    ]
    assert json.loads(done.objects["alerts/hot/lyon/roof/1782907200000.json"])["state"] == "published"
    stored = SENSORS.contract.parse_stored(done.objects["readings/lyon/roof/1782907200000-r-1.json"].encode())
    assert (stored.alert, stored.record.temperature, stored.record.humidity) == (True, 25.0, None)


def test_its_zip_has_no_other_pipeline_and_nothing_of_the_kit() -> None:
    content = build_function_zip(SENSORS).content

    assert b"sensors/process_readings.py" in content
    assert b"sensors/declaration.py" not in content
    assert b"process_stock" not in content
    assert b"pipeline/contract.py" not in content
