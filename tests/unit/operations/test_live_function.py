"""What readers take from the live function."""

import pytest

from operations.live_function import read_configuration, read_function, read_mapping
from pipeline.contract import CONTRACT
from profiles.errors import CannotRunError
from tests.support.reconciled_world import NAMES, TICKS, World

LOUD = next(tick for tick in TICKS if tick.price >= 1200)


def test_its_bucket_is_where_records_are_looked_for(world: World) -> None:
    assert read_function(world.environment).environment == world.environment
    world.configure(BUCKET="elsewhere")
    assert read_function(world.environment).environment.names.bucket == "elsewhere"


def test_its_settings_decide_about_alert_windows(world: World) -> None:
    assert read_function(world.environment).alert_windows(LOUD) == (CONTRACT.alert_key("price", LOUD, 60),)
    world.configure(ALERT_COOLDOWN_SECONDS="0", ALERT_VOLUME="1")
    keys = tuple(CONTRACT.alert_key(rule, LOUD, 0) for rule in ("price", "volume"))
    assert read_function(world.environment).alert_windows(LOUD) == keys
    world.configure(ALERT_THRESHOLD="100000")
    assert read_function(world.environment).alert_windows(LOUD) == ()


def test_a_function_that_is_missing_or_broken_is_one_line(world: World) -> None:
    world.configure(ALERT_THRESHOLD="high")
    with pytest.raises(CannotRunError, match="function StockProcessor: environment variable ALERT_THRESHOLD='high'"):
        read_function(world.environment)
    world.aws.lambda_.delete_function(FunctionName=NAMES.function)
    assert read_configuration(world.environment, NAMES.function) is None
    with pytest.raises(CannotRunError, match="there is no function StockProcessor; run: stockpipe up"):
        read_function(world.environment)


def test_a_mapping_is_known_by_its_queue_and_its_function(world: World) -> None:
    assert read_mapping(world.environment, NAMES.queue, NAMES.function) is None
    world.aws.lambda_.create_event_source_mapping(FunctionName=NAMES.function, EventSourceArn=NAMES.queue_arn)
    found = read_mapping(world.environment, NAMES.queue, NAMES.function)
    assert found is not None
    assert found["EventSourceArn"] == NAMES.queue_arn
    assert read_mapping(world.environment, NAMES.queue, "another") is None
