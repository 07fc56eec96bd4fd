"""Arithmetic on records, counters and messages."""

import pytest

from console.series import POINTS_PER_GROUP, Counted, Seen, Series, merged, percentile
from operations.deadletters import DeadLetter
from tests.unit.console.seen import seen


def epoch_ms(known: Seen) -> int:
    return known.moment[0]


def letter(number: int) -> DeadLetter:
    return DeadLetter(f"m-{number}", "{}", "price is missing", number, 5)


def test_a_series_is_ordered_by_event_time_whatever_order_records_come_in() -> None:
    series = Series("TSLA")

    for number in (3, 1, 2, 2):
        series.add(seen(number))

    assert [epoch_ms(known) for known in series.records] == [1, 2, 3]


def test_a_full_series_drops_what_was_processed_longest_ago_not_the_oldest_event() -> None:
    # given a chart full of replayed ticks of long ago
    series = Series("TSLA")
    for number in range(POINTS_PER_GROUP):
        series.add(seen(1000 + number, processed_ms=10_000 + number))

    # when a tick of even longer ago is processed now
    series.add(seen(5, processed_ms=99_999))

    # then it is shown, and the one processed first made room
    assert len(series.records) == POINTS_PER_GROUP
    assert epoch_ms(series.records[0]) == 5
    assert 1000 not in [epoch_ms(known) for known in series.records]


def test_a_rate_is_growth_per_second_of_the_last_seconds_and_never_negative() -> None:
    counter = Counted()
    assert counter.per_second() is None

    for second, value in ((0.0, 0), (100.0, 0), (110.0, 50), (115.0, 80)):
        counter.sample(second, value)
    assert counter.per_second() == pytest.approx(80 / 15)

    counter.sample(116.0, 0)
    assert counter.per_second() == 0.0


def test_growth_in_percent_is_told_from_a_first_value_above_zero_only() -> None:
    assert Series("TSLA", [seen(1, price=200.0), seen(2, price=201.0)]).change_percent == pytest.approx(0.5)
    assert Series("oven", [seen(1, price=0.0), seen(2, price=201.0)]).change_percent is None
    assert Series("fridge", [seen(1, price=-4.0), seen(2, price=4.0)]).change_percent is None


def test_a_look_that_showed_all_dead_letters_replaces_what_was_known() -> None:
    assert merged([letter(1), letter(2)], [letter(2)], expected=1) == [letter(2)]


def test_a_look_that_showed_a_part_keeps_the_others_up_to_the_count() -> None:
    assert merged([letter(1), letter(2)], [letter(3)], expected=3) == [letter(1), letter(2), letter(3)]

    assert merged([letter(1), letter(2)], [], expected=0) == []


@pytest.mark.parametrize(("rank", "expected"), [(50, 50), (95, 95), (99, 99)])
def test_percentiles_are_of_the_nearest_rank(rank: int, expected: int) -> None:
    assert percentile(range(100, 0, -1), rank) == expected
    assert percentile([7.0], rank) == 7.0
