"""What the kit checks of the options of a simulation, whatever the pipeline."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from producer.simulation import Simulation
from producer.source import simulate
from profiles.errors import CannotRunError
from tests.support.environments import STOCKS
from tests.unit.runtime.readings import READINGS

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


# A pipeline whose groups have two fields.
SENSORS: Any = SimpleNamespace(contract=READINGS, module=lambda _name: SimpleNamespace(simulate=Simulation))


def test_a_pipeline_has_defaults_of_its_own() -> None:
    market = simulate(STOCKS, seed=7, start=START)
    assert (market.seed, market.start, market.rate) == (7, START, 20.0)
    assert market.groups == ("AAPL", "AMZN", "GOOG", "MSFT", "NFLX", "NVDA", "TSLA")


def test_symbols_may_be_given_in_lower_case() -> None:
    assert simulate(STOCKS, seed=7, start=START, groups=["tsla", "BRK.b"], rate=5).groups == ("TSLA", "BRK.B")


def test_groups_of_several_fields() -> None:
    assert simulate(SENSORS, seed=7, start=START, groups=["lyon/roof-2", "lyon/cellar"]).groups == (
        "lyon/roof-2",
        "lyon/cellar",
    )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "--groups is empty: expected one or more, with commas between"),
        (["lyon"], "--groups: 'lyon' is not a site/sensor"),
        (["lyon/roof/2"], "--groups: 'lyon/roof/2' is not a site/sensor"),
        (["lyon/"], "--groups: sensor '' is not a name"),
        (["LYON/roof"], "--groups: site 'LYON' is not a name"),
        (["a/b", "c/d", "a/b"], "--groups a/b,c/d,a/b names a site/sensor twice"),
    ],
)
def test_groups_that_the_contract_refuses(groups: list[str], message: str) -> None:
    with pytest.raises(CannotRunError) as error:
        simulate(SENSORS, seed=7, start=START, groups=groups)
    assert str(error.value) == message


@pytest.mark.parametrize("rate", [0.0, 1e7, float("nan")])
def test_a_rate_out_of_range_is_told_with_what_the_pipeline_calls_its_records(rate: float) -> None:
    with pytest.raises(CannotRunError, match=r"expected readings per second, from 0\.000001 to 1000000"):
        simulate(SENSORS, seed=7, start=START, rate=rate)
