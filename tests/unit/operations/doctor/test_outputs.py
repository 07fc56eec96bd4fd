"""Whether the alert rules apply to what was produced last."""

from pathlib import Path

import pytest

from operations.doctor.check import Check, State, run
from operations.doctor.examination import checks_of
from pipeline.contract import Tick
from producer.manifest import ManifestWriter, Sent, new_path
from profiles.environment import Environment, up_command
from tests.support.reconciled_world import CALM, TICKS, WINDOWS, World


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path / "state"))


def produce(world: World, ticks: list[Tick]) -> None:
    with ManifestWriter(new_path(world.environment, "run")) as writer:
        writer.append([Sent(tick, "m") for tick in ticks])


def rules(environment: Environment) -> Check:
    return run("rules", checks_of(environment)["rules"], up_command(environment))


def test_a_run_to_which_no_rule_applies_is_why_there_is_no_alert(world: World) -> None:
    world.configure(ALERT_VOLUME="2000000000")
    produce(world, CALM)

    check = rules(world.environment)

    assert check.state is State.WARNING
    highest = max(tick.price for tick in CALM)
    assert check.found == (
        "price, volume ALERT_THRESHOLD=1200 ALERT_VOLUME=2000000000: no rule applies to a tick of the latest run "
        f"(highest price: {highest:,.2f}), so there were no alerts"
    )
    assert check.fix == "stockpipe up --profile moto, with another --alert-threshold or --alert-volume"


def test_a_run_with_alerts_says_for_how_many(world: World) -> None:
    produce(world, TICKS)
    assert rules(world.environment).found == (
        f"price, volume ALERT_THRESHOLD=1200; for {len(TICKS) - len(CALM)} of 120 ticks of the latest run; "
        "one alert per rule and symbol in 60 s; no alert yet"
    )
    world.mark(WINDOWS)
    assert rules(world.environment).found.endswith("; alerts were sent")


def test_without_a_run_nothing_is_claimed(world: World) -> None:
    check = rules(world.environment)
    assert (check.state, "latest run" in check.found) == (State.OK, False)


def test_without_a_function_it_is_not_checked(world: World) -> None:
    world.configure(ALERT_COOLDOWN_SECONDS="soon")
    assert rules(world.environment).state is State.SKIPPED
