"""Simulated sensors: an endless stream of readings, the same for the same seed, start, sensors and rate.

The sensors report in turn. A temperature follows the sun: it is lowest at 3 h and highest at 15 h UTC, with a slow
drift that is drawn back to zero. The humidity falls as it gets warmer. `lyon/roof` and `oslo/boiler`
are warm enough for alerts at any time of the day.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from producer.simulation import Simulation
from profiles.errors import CannotRunError
from runtime.clock import iso_utc

from .contract import Reading

DATASETS = {"one-day": "one-day.csv"}  # in the folder `data`

_DRIFT_KEPT = 0.98  # of a sensor's drift, from one of its readings to the next
_DRIFT_SPREAD = 0.12  # °C


@dataclass(frozen=True)
class _Place:
    """The mean temperature in °C, how far the day takes it up and down, and the mean humidity in %, None: unknown."""

    mean: float
    swing: float
    humidity: int | None = None


_PLACES = {
    "lyon/cellar": _Place(12.5, 0.3, 78),
    "lyon/kitchen": _Place(21.0, 2.0, 48),
    "lyon/roof": _Place(32.5, 1.5),
    "oslo/attic": _Place(17.5, 5.0, 40),
    "oslo/boiler": _Place(31.5, 0.2),
    "oslo/garden": _Place(11.0, 6.0, 66),
}
_UNKNOWN_PLACE = _Place(20.0, 3.0, 50)


@dataclass(frozen=True)
class Sensors(Simulation):
    """Sensors at work: its groups are the sensors, as `site/sensor`."""

    groups: tuple[str, ...] = tuple(_PLACES)
    rate: float = 10.0

    def records(self) -> Iterator[Reading]:
        """The readings, evenly spaced in event time. Raises `CannotRunError` at the end of the year 9999."""
        # random() and gauss() give the same sequence for a seed in every Python version.
        dice = random.Random(self.seed)  # noqa: S311 - a simulation, not a secret
        start, run = self.start.astimezone(UTC), self.run
        drifts = dict.fromkeys(self.groups, 0.0)
        for number in count():
            group = self.groups[number % len(self.groups)]
            try:
                moment = start + timedelta(seconds=number / self.rate)
            except OverflowError:
                raise CannotRunError("the year 9999 ends: choose an earlier --start") from None
            drifts[group] = drifts[group] * _DRIFT_KEPT + dice.gauss(0, _DRIFT_SPREAD)
            yield _reading(f"{run}-{number:07d}", group, moment, drifts[group])


def simulate(seed: int, start: datetime, groups: tuple[str, ...] | None, rate: float | None) -> Sensors:
    """The sensors with these values, or with the default for None."""
    return Sensors(seed, start, groups or Sensors.groups, Sensors.rate if rate is None else rate)


def _reading(reading_id: str, group: str, moment: datetime, drift: float) -> Reading:
    place = _PLACES.get(group, _UNKNOWN_PLACE)
    hour = moment.hour + moment.minute / 60
    warmer = place.swing * math.sin(math.tau * (hour - 9) / 24) + drift
    humidity = None if place.humidity is None else min(100, max(0, round(place.humidity - 3 * warmer)))
    site, sensor = group.split("/")
    return Reading(reading_id, site, sensor, round(place.mean + warmer, 2), iso_utc(moment), humidity)
