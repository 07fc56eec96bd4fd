"""A simulated stock market: an endless stream of ticks, the same for the same seed.

A symbol's price is `level * exp(slow + fast)`. Both terms are Ornstein-Uhlenbeck processes (random walks that are
drawn back to zero), stepped exactly, so any distance in time between two ticks is right: `slow` wanders over minutes
and makes a trend, `fast` moves within seconds and makes a chart that lives. Now and then `fast` jumps, as on news. What
is drawn back can't run away: after hours the prices are still near their levels, and above zero by construction.

Every market opens low and rallies in its first seconds; two of the default symbols trade just below 1200. So the alert
threshold is crossed within the first half minute, and now and then later on.
"""

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from producer.simulation import Simulation
from profiles.errors import CannotRunError
from runtime.clock import iso_utc

from .contract import Tick

DATASETS = {"daily-closes": "daily-closes-2000-2013.csv.gz"}  # in the folder `data`

LEVELS = {
    "AAPL": 232.0,
    "AMZN": 221.0,
    "GOOG": 196.0,
    "MSFT": 508.0,
    "NFLX": 1183.0,
    "NVDA": 177.0,
    "TSLA": 1187.0,
}

_MEDIAN_VOLUME = 2_000
_VOLUME_SPREAD = 1.1  # of the logarithm: about one tick in thirty is above 15,000 shares
_JUMPS_PER_SECOND = 1 / 25
_JUMP_SPREAD = 0.009


@dataclass(frozen=True)
class _Reversion:
    """An Ornstein-Uhlenbeck process: `spread` is its standard deviation after a long time, `seconds` its memory."""

    spread: float
    seconds: float

    def step(self, value: float, elapsed: float, noise: float) -> float:
        kept = math.exp(-elapsed / self.seconds)
        return value * kept + noise * self.spread * math.sqrt(1 - kept * kept)


_SLOW = _Reversion(spread=0.012, seconds=240)
_FAST = _Reversion(spread=0.007, seconds=8)
_OPENING_SLOW = 0.018
_OPENING_FAST = -0.026


@dataclass(frozen=True)
class Market(Simulation):
    """A simulated market: its groups are the symbols."""

    groups: tuple[str, ...] = tuple(LEVELS)
    rate: float = 20.0

    def records(self) -> Iterator[Tick]:
        """The ticks: evenly spaced in event time, each of a symbol that is drawn at random.

        They go on until the year 9999 ends, and then raise `CannotRunError`.
        """
        # Only random() and gauss(): their sequences for a seed are the same in every Python version.
        dice = random.Random(self.seed)  # noqa: S311 - a simulation, not a secret
        start = self.start.astimezone(UTC)
        run = self.run
        walks = [_Walk(symbol) for symbol in self.groups]
        for number in count():
            seconds = number / self.rate
            walk = walks[int(dice.random() * len(walks))]
            yield Tick(
                tick_id=f"{run}-{number:07d}",
                symbol=walk.symbol,
                price=walk.price_at(seconds, dice),
                volume=_volume(dice),
                timestamp=_moment(start, seconds),
            )


def simulate(seed: int, start: datetime, groups: tuple[str, ...] | None, rate: float | None) -> Market:
    """The market with these values, or with the default for None. Symbols may be given in lower case."""
    symbols = tuple(LEVELS if groups is None else map(str.upper, groups))
    return Market(seed, start, symbols, Market.rate if rate is None else rate)


class _Walk:
    """The price of one symbol as time goes on."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._level = LEVELS.get(symbol) or _level_of_unknown(symbol)
        self._slow = _OPENING_SLOW
        self._fast = _OPENING_FAST
        self._seconds = 0.0

    def price_at(self, seconds: float, dice: random.Random) -> float:
        """The price in dollars, rounded to cents, at `seconds` since the start (never before the last call's)."""
        elapsed, self._seconds = seconds - self._seconds, seconds
        self._slow = _SLOW.step(self._slow, elapsed, dice.gauss(0, 1))
        self._fast = _FAST.step(self._fast, elapsed, dice.gauss(0, 1))
        if dice.random() < 1 - math.exp(-elapsed * _JUMPS_PER_SECOND):
            self._fast += dice.gauss(0, _JUMP_SPREAD)
        return max(0.01, round(self._level * math.exp(self._slow + self._fast), 2))


def _moment(start: datetime, seconds: float) -> str:
    try:
        return iso_utc(start + timedelta(seconds=seconds))
    except OverflowError:
        raise CannotRunError("the market has reached the end of the year 9999: choose an earlier --start") from None


def _volume(dice: random.Random) -> int:
    return max(1, round(_MEDIAN_VOLUME * math.exp(dice.gauss(0, _VOLUME_SPREAD))))


def _level_of_unknown(symbol: str) -> float:
    """A level between 20 and 900 dollars that depends on the symbol's name only."""
    digest = hashlib.sha256(symbol.encode()).digest()
    return 20 + int.from_bytes(digest[:4], "big") % 880
