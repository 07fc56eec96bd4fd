"""The simulated sensors, and the shipped day."""

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from examples.sensors.contract import CONTRACT, Reading
from examples.sensors.rules import HOT, Settings
from examples.sensors.source import Sensors, simulate
from producer import replay
from producer.source import simulate as simulate_checked
from profiles.errors import CannotRunError
from tests.examples.sensors.conftest import SENSORS

START = datetime(2026, 7, 1, tzinfo=UTC)
# The first 600 readings of seed 7, as one hash: they may never change, or a resumed run would send others.
GOLDEN = "b42e892a68657ff00cfee7ce93eaa3d09e3720e8a63a7def4d29f5300578bf77"


def first(count: int, sensors: Sensors) -> list[Reading]:
    return list(islice(sensors.records(), count))


def test_same_seed_same_readings_for_ever() -> None:
    bodies = "\n".join(map(CONTRACT.encode, first(600, Sensors(7, START))))

    assert hashlib.sha256(bodies.encode()).hexdigest() == GOLDEN


@pytest.mark.parametrize(
    "changes", [(8,), (7, START + timedelta(hours=1)), (7, START, ("lyon/roof",)), (7, START, None, 5.0)]
)
def test_other_parameters_make_other_ids(changes: Any) -> None:
    seed, start, groups, rate = (*changes, *(None,) * 4)[:4]
    ids = {one.id for one in first(50, simulate(seed, start or START, groups, rate))}

    assert not ids & {one.id for one in first(50, Sensors(7, START))}


def test_the_readings_are_valid_in_order_and_evenly_spaced() -> None:
    readings = first(600, Sensors(7, START, rate=10.0))

    assert [one.epoch_ms - readings[0].epoch_ms for one in readings] == [100 * number for number in range(600)]
    assert [CONTRACT.make({name: getattr(one, name) for name in one.__slots__}) for one in readings] == readings
    assert len({one.id for one in readings}) == 600
    assert {one.group for one in readings} == set(Sensors(7, START).groups)
    assert {one.group for one in readings if one.humidity is None} == {"lyon/roof", "oslo/boiler"}


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_two_sensors_are_alerted_at_any_time_of_the_day(hour: int) -> None:
    readings = first(120, Sensors(7, START + timedelta(hours=hour)))

    assert {one.group for one in readings if HOT.applies(one, Settings())} == {"lyon/roof", "oslo/boiler"}


def test_a_day_has_its_warmest_hour_in_the_afternoon() -> None:
    readings = first(24 * 60, Sensors(7, START, ("oslo/garden",), rate=1 / 60))
    warmest = max(readings, key=lambda one: one.temperature)

    assert 12 <= warmest.event_time.hour <= 18


def test_an_unknown_sensor_is_simulated_too_and_a_wrong_one_refused() -> None:
    made = simulate_checked(SENSORS, seed=1, start=START, groups=["nice/porch"])

    assert next(made.records()).group == "nice/porch"
    with pytest.raises(CannotRunError, match="--groups: 'porch' is not a site/sensor"):
        simulate_checked(SENSORS, seed=1, start=START, groups=["porch"])
    with pytest.raises(CannotRunError, match="the year 9999 ends: choose an earlier --start"):
        list(Sensors(1, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)).records())


def test_the_shipped_day_is_what_the_sensors_simulate() -> None:
    rows = list(replay.find("one-day", SENSORS).records())
    simulated = first(144, Sensors(1, START, rate=6 / 3600))

    def measured(one: Any) -> tuple[Any, ...]:
        return one.group, one.temperature, one.humidity, one.timestamp

    assert list(map(measured, rows)) == list(map(measured, simulated))
