"""What a reading is."""

import json
from typing import Any

import pytest

from examples.sensors.contract import CONTRACT, Reading
from runtime.fields import InvalidRecordError

READING = Reading("r-1", "lyon", "roof", 31.25, "2026-07-01T12:00:00Z", 40)
EPOCH_MS = 1_782_907_200_000


def parsed(**changes: Any) -> Reading:
    values = {**json.loads(CONTRACT.encode(READING)), **changes}
    body = json.dumps({name: value for name, value in values.items() if value is not None})
    return CONTRACT.parse(body, message_id="m-1", sent_timestamp_ms=EPOCH_MS)


def test_a_reading_is_stored_under_its_site_and_sensor() -> None:
    assert parsed() == READING
    assert CONTRACT.key(READING) == f"readings/lyon/roof/{EPOCH_MS}-r-1.json"
    assert CONTRACT.alert_key("hot", READING, 60) == f"alerts/hot/lyon/roof/{EPOCH_MS}.json"


def test_id_time_humidity_and_run_may_be_missing() -> None:
    assert parsed(reading_id=None, timestamp=None, humidity=None) == Reading(
        "m-1", "lyon", "roof", 31.25, "2026-07-01T12:00:00.000Z"
    )
    assert parsed(run="sensors1-ab").run == "sensors1-ab"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"site": "Lyon"}, "site 'Lyon' is not 1 to 20 lower-case letters"),
        ({"sensor": "roof/east"}, "sensor 'roof/east' is not 1 to 20 lower-case letters"),
        ({"sensor": None}, "sensor is missing"),
        ({"temperature": -273.15}, "temperature -273.15 is not above -273.15"),
        ({"temperature": "31"}, "temperature is a string, not a number"),
        ({"humidity": 101}, "humidity '101' is not between 0 and 100"),
        ({"humidity": 40.5}, "humidity is a fraction, not a whole number"),
        ({"reading_id": "a.b"}, "reading_id 'a.b' is not 1 to 64 letters"),
    ],
)
def test_what_is_not_a_reading_has_a_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRecordError) as refused:
        parsed(**changes)

    assert str(refused.value).startswith(reason)
