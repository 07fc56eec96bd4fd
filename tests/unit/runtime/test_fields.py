"""The field table of a record class, and what each kind of field accepts."""

from dataclasses import replace
from typing import Any

import pytest

from runtime.fields import InvalidRecordError, fields_of, values_of
from tests.unit.runtime.readings import READING, READINGS, Reading

TABLE = {one.name: one for one in fields_of(Reading)}


def test_the_table_says_what_the_class_says_in_its_order() -> None:
    assert [(one.name, one.sql_type, one.required, one.filterable) for one in READINGS.fields] == [
        ("reading_id", "string", True, False),
        ("site", "string", True, True),
        ("sensor", "string", True, False),
        ("celsius", "double", True, False),
        ("counter", "bigint", True, False),
        ("timestamp", "string", True, False),
        ("humidity", "double", False, False),
    ]
    assert TABLE["counter"].meaning == "readings since it was started"
    assert TABLE["counter"].expected == "a whole number"


def test_a_record_knows_its_id_its_group_and_its_time() -> None:
    assert (READING.id, READING.group, READING.epoch_ms) == ("r-1", "lyon/roof-2", 1_767_623_400_250)


def test_an_optional_field_is_among_the_values_only_when_it_has_one() -> None:
    assert "humidity" not in values_of(READING)
    assert values_of(replace(READING, humidity=40.0))["humidity"] == 40.0


@pytest.mark.parametrize("value", [None, 41, 0.5])
def test_an_optional_field_may_be_null(value: float | None) -> None:
    assert READINGS.make({**values_of(READING), "humidity": value}) == replace(READING, humidity=value)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("humidity", 0, "humidity 0.0 is not above 0"),
        ("humidity", "40", "humidity is a string, not a number"),
        ("celsius", float("inf"), "celsius is not finite"),
        ("celsius", 10**400, "celsius is not finite"),
        ("celsius", None, "celsius is null, not a number"),
        ("counter", -1, "counter '-1' is not between 0 and 1099511627776"),
        ("counter", 2**40 + 1, "counter '1099511627777' is not between 0 and 1099511627776"),
        ("counter", 1.0, "counter is a fraction, not a whole number"),
        ("site", "Lyon", "site 'Lyon' is not a name"),
        ("site", "x" * 50, f"site '{'x' * 37}...' is not a name"),
        ("site", None, "site is null, not a string"),
        ("timestamp", "1969-12-31T23:59:59Z", "timestamp '1969-12-31T23:59:59Z' is before 1970"),
        ("timestamp", 0, "timestamp is a number, not a string"),
    ],
)
def test_an_error_names_its_field_and_says_why(name: str, value: Any, reason: str) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        READINGS.make({**values_of(READING), name: value})

    assert (str(caught.value), caught.value.field) == (reason, name)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidRecordError, match=r"^sensor is missing$") as caught:
        READINGS.make({name: value for name, value in values_of(READING).items() if name != "sensor"})

    assert caught.value.field == "sensor"


@pytest.mark.parametrize("celsius", [-273.15, 0, 21])
def test_a_number_without_a_limit_may_be_negative(celsius: float) -> None:
    found = READINGS.make({**values_of(READING), "celsius": celsius}).celsius

    assert (found, type(found)) == (celsius, float)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("site", "lyon", "lyon"),
        ("celsius", "-4.5", -4.5),
        ("celsius", "1e3", 1000.0),
        ("celsius", "7.", 7.0),
        ("counter", "+7", 7),
        ("timestamp", "soon", "soon"),  # text is checked only as a record's value
    ],
)
def test_a_cell_of_a_csv_file_becomes_a_json_value(name: str, text: str, value: Any) -> None:
    found = TABLE[name].from_text(text)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("celsius", text) for text in ("", "warm", "nan", "inf", "1_0", " 1", "0x1", "1e9999", "٣", ".5")),
        *(("counter", text) for text in ("", "1.0", "1e3", "1_0", "9" * 21, "٣")),
    ],
)
def test_a_cell_that_is_no_number_is_named_by_its_field(name: str, text: str) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        TABLE[name].from_text(text)

    assert caught.value.field == name
