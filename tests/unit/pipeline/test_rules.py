"""When ticks are alerted, and what the alert says."""

from typing import Any

import pytest

from pipeline.contract import Tick
from pipeline.rules import PRICE, RULES, VOLUME, Settings
from runtime.fields import LARGEST_INT


def tick(price: float = 100.0, volume: int = 1, symbol: str = "A234567890") -> Tick:
    return Tick("t", symbol, price, volume, "2026-01-05T14:30:00.250Z")


def applying(one: Tick, **told: Any) -> list[str]:
    return [rule.name for rule in RULES if rule.applies(one, Settings(**told))]


@pytest.mark.parametrize(("price", "rules"), [(1199.99, []), (1200.0, ["price"]), (1e308, ["price"])])
def test_the_price_rule_applies_at_the_threshold_and_above(price: float, rules: list[str]) -> None:
    assert applying(tick(price)) == rules


@pytest.mark.parametrize("volume", [0, 1, LARGEST_INT])
def test_without_its_setting_the_volume_rule_never_applies(volume: int) -> None:
    assert applying(tick(volume=volume)) == []


@pytest.mark.parametrize(("volume", "rules"), [(0, []), (499, []), (500, ["volume"]), (LARGEST_INT, ["volume"])])
def test_with_its_setting_the_volume_rule_applies_at_that_volume_and_above(volume: int, rules: list[str]) -> None:
    assert applying(tick(volume=volume), alert_volume=500) == rules


def test_both_rules_may_apply() -> None:
    assert applying(tick(price=50, volume=500), alert_threshold=50.0, alert_volume=500) == ["price", "volume"]


@pytest.mark.parametrize(
    ("price", "threshold", "text"),
    [
        (1200.0, 1200.0, "1200.00 >= 1200.00"),
        (1201.333, 1200.0, "1201.333 >= 1200.00"),
        (1e300, 0.00001, "1e+300 >= 1e-05"),
        (5e-324, 5e-324, "5e-324 >= 5e-324"),
    ],
)
def test_the_subject_says_the_exact_price_in_few_characters(price: float, threshold: float, text: str) -> None:
    line = PRICE.subject(tick(price), Settings(alert_threshold=threshold))
    assert line == f"Stock alert: A234567890 {text}"
    assert len(line) <= 100
    assert line.isascii()


@pytest.mark.parametrize(
    ("volume", "limit", "text"),
    [(500, 500, "500 >= 500"), (LARGEST_INT, 20_000, "2,147,483,647 >= 20,000")],
)
def test_the_subject_of_a_volume_alert_says_both_volumes(volume: int, limit: int, text: str) -> None:
    line = VOLUME.subject(tick(volume=volume), Settings(alert_volume=limit))
    assert line == f"Volume alert: A234567890 {text} shares"
    assert len(line) <= 100
    assert line.isascii()


def test_each_alert_names_its_threshold() -> None:
    told = Settings(alert_threshold=900.5, alert_volume=500)
    assert [rule.details(tick(), told) for rule in RULES] == [{"threshold": 900.5}, {"threshold": 500}]
