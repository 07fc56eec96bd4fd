"""The alerts of a record in its trace, and its names in the JSON."""

import json

import pytest

from operations.trace import trace
from pipeline.contract import CONTRACT
from tests.support.command_line import stockpipe, works_on
from tests.support.reconciled_world import TICKS, World

LOUD = sorted((tick for tick in TICKS if tick.price >= 1200), key=lambda tick: tick.volume)[-1]
PRICE, VOLUME = (CONTRACT.alert_key(rule, LOUD, 60) for rule in ("price", "volume"))


@pytest.fixture
def stored(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A tick to which two rules apply. The price's alert was about it, the volume's about another."""
    works_on(monkeypatch, world.environment)
    world.aws.logs.create_log_group(logGroupName=world.environment.names.log_group)
    world.configure(ALERT_VOLUME=str(LOUD.volume))
    world.store([LOUD])
    world.mark({VOLUME}, about="another")
    world.mark({PRICE}, about=LOUD.tick_id)
    return world


def test_each_rule_that_applies_has_its_window(stored: World) -> None:
    found = trace(stored.environment, LOUD.tick_id, group=LOUD.symbol)
    assert [(hop.name, hop.detail) for hop in found.hops if "alert" in hop.name] == [
        ("not alerted", f"another alerted its window: {VOLUME}"),
        ("alert", f"SNS message s-1; {PRICE}"),
    ]
    assert (found.alert_marker, found.sns_message_id) == (PRICE, "s-1")


def test_a_rule_that_is_off_is_left_out(stored: World) -> None:
    stored.configure()
    found = trace(stored.environment, LOUD.tick_id, group=LOUD.symbol)
    assert [hop.name for hop in found.hops if "alert" in hop.name] == ["alert"]


def test_the_contract_names_the_fields(stored: World) -> None:
    document = json.loads(stockpipe("trace", LOUD.tick_id, "--json").stdout)
    assert document["tick_id"] == LOUD.tick_id
    assert document["tick"] == json.loads(CONTRACT.encode(LOUD))
    shown = stockpipe("trace", LOUD.tick_id, "--group", LOUD.symbol).stdout
    assert f"{LOUD.symbol} price={LOUD.price:,} volume={LOUD.volume:,}  {LOUD.timestamp}  stored after" in shown
