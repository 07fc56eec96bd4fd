"""Sending a record that a person has typed: the form, and what becomes of it, follow from the field table."""

from typing import Any

import pytest

from console.actions import given_fields, make_record
from pipeline.contract import CONTRACT, Tick
from runtime.fields import InvalidRecordError

TYPED: dict[str, Any] = {"symbol": "TSLA", "price": 1201.33, "volume": 100.0}


def test_a_person_gives_every_field_but_id_time_and_run() -> None:
    assert [one.name for one in given_fields(CONTRACT)] == ["symbol", "price", "volume"]


def test_what_was_typed_becomes_a_record_of_its_own() -> None:
    one, two = make_record(CONTRACT, TYPED), make_record(CONTRACT, TYPED)

    assert isinstance(one, Tick)
    assert (one.symbol, one.price, one.volume, one.run) == ("TSLA", 1201.33, 100, None)
    assert one.tick_id.startswith("console-")
    assert one.id != two.id


def test_text_may_have_spaces_around_it_and_small_letters() -> None:
    assert make_record(CONTRACT, {**TYPED, "symbol": " tsla "}).group == "TSLA"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"symbol": "no symbol"}, "symbol 'no symbol' does not match"),
        ({"symbol": ""}, "symbol '' does not match"),
        ({"price": None}, "price is null, not a number"),
        ({"price": 0.0}, "price 0.0 is not above 0"),
        ({"volume": 1.5}, "volume is a fraction, not a whole number"),
        ({"volume": float("inf")}, "volume is a fraction"),
    ],
)
def test_what_the_contract_refuses_is_refused_with_its_reason(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRecordError, match=reason):
        make_record(CONTRACT, {**TYPED, **wrong})
