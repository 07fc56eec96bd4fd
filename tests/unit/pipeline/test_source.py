import hashlib
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path

import pytest

from pipeline.contract import CONTRACT, Tick
from pipeline.source import LEVELS, Market
from runtime.fields import LARGEST_INT

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
# The first 1,000 ticks of seed 7, as one hash: they may never change, or a resumed run would send other ticks.
GOLDEN = "713f00480e101d232d55df3883dad6d3406f15410c22445ad169394768404d52"


def first(count: int, market: Market) -> list[Tick]:
    return list(islice(market.records(), count))


def fingerprint(ticks: list[Tick]) -> str:
    return hashlib.sha256("\n".join(map(CONTRACT.encode, ticks)).encode()).hexdigest()


def test_same_seed_same_ticks_for_ever() -> None:
    assert fingerprint(first(1000, Market(7, START))) == GOLDEN


def interpreters() -> list[str]:
    """This Python, and whatever other versions pyenv has on this machine."""
    found = (Path.home() / ".pyenv" / "versions").glob("3.1[1-9].*/bin/python")
    return [sys.executable, *map(str, sorted(found))]


@pytest.mark.parametrize("python", interpreters())
def test_same_seed_same_ticks_on_every_python(python: str) -> None:
    program = (
        "import hashlib; from itertools import islice; from datetime import UTC, datetime;"
        "from pipeline.contract import CONTRACT; from pipeline.source import Market;"
        "ticks = islice(Market(7, datetime(2026, 1, 5, 14, 30, tzinfo=UTC)).records(), 1000);"
        "print(hashlib.sha256('\\n'.join(map(CONTRACT.encode, ticks)).encode()).hexdigest())"
    )
    answer = subprocess.run(
        [python, "-c", program],
        cwd=Path(__file__).parents[3],
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == GOLDEN


@pytest.mark.parametrize(
    "other",
    [
        Market(8, START),
        Market(7, START + timedelta(milliseconds=1)),
        Market(7, START, groups=("AAPL", "TSLA")),
        Market(7, START, rate=21),
    ],
)
def test_other_parameters_make_other_ids(other: Market) -> None:
    """Two markets never share an id, or a tick of one would overwrite a tick of the other."""
    ids = {tick.tick_id for tick in first(50, Market(7, START))}
    assert not ids & {tick.tick_id for tick in first(50, other)}


def test_every_tick_obeys_the_data_contract() -> None:
    for tick in first(2000, Market(3, START, groups=("TSLA", "BRK.B", "X"))):
        assert CONTRACT.parse(CONTRACT.encode(tick), message_id="", sent_timestamp_ms=0) == tick


def test_ticks_are_evenly_spaced_from_the_start() -> None:
    ticks = first(101, Market(1, START, rate=20))
    gaps = {(b.event_time - a.event_time) / timedelta(milliseconds=1) for a, b in pairwise(ticks)}
    assert ticks[0].event_time == START
    assert gaps == {50.0}


def test_prices_are_cents_and_stay_near_their_level_for_hours() -> None:
    for tick in first(20_000, Market(5, START, rate=1)):
        assert re.fullmatch(r"\d+(\.\d\d?)?", repr(tick.price))
        assert 0.85 < tick.price / LEVELS[tick.symbol] < 1.15


def test_a_chart_moves_but_does_not_leap() -> None:
    prices = [tick.price for tick in first(2400, Market(11, START)) if tick.symbol == "AAPL"]
    steps = [abs(b / a - 1) for a, b in pairwise(prices)]
    assert len(set(prices)) > 100
    assert sum(steps) / len(steps) < 0.005
    assert max(steps) < 0.06


def test_prices_at_a_penny_level_stay_above_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEVELS, "PENNY", 0.01)
    assert {tick.price for tick in first(500, Market(1, START, groups=("PENNY",)))} == {0.01}


def test_volumes_are_whole_and_some_are_above_15000() -> None:
    volumes = [tick.volume for tick in first(5000, Market(2, START))]
    share = sum(volume > 15_000 for volume in volumes) / len(volumes)
    assert all(isinstance(volume, int) and 0 < volume <= LARGEST_INT for volume in volumes)
    assert 0.02 < share < 0.05


def test_a_half_minute_demo_crosses_the_threshold_for_nearly_every_seed() -> None:
    """Alerts are what the demo is about: 30 s at 20 ticks/s have them in at least 98 of 100 seeds."""
    alerted = Counter(
        len({tick.symbol for tick in first(600, Market(seed, START)) if tick.price >= 1200}) for seed in range(100)
    )
    assert alerted[1] + alerted[2] >= 98
    assert alerted[2] >= 75


def test_the_market_opens_below_the_threshold() -> None:
    opening = [first(1, Market(seed, START, groups=("TSLA",)))[0].price for seed in range(100)]
    assert all(1165 < price < 1190 for price in opening)
