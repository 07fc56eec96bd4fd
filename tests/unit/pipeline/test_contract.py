"""The data contract, rule by rule, and over generated ticks."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract import CONTRACT, Tick
from runtime.contract import MAX_BODY_CHARACTERS
from runtime.fields import LARGEST_INT, InvalidRecordError

GOOD = {
    "tick_id": "t-1",
    "symbol": "TSLA",
    "price": 1201.33,
    "volume": 100,
    "timestamp": "2026-01-05T14:30:00.250Z",
}

symbols = st.from_regex(r"[A-Z][A-Z0-9.-]{0,9}", fullmatch=True)
tick_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)
prices = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 3), datetime(9999, 12, 29), timezones=zones).map(datetime.isoformat)
ticks = st.builds(Tick, tick_ids, symbols, prices, st.integers(0, LARGEST_INT), moments, st.none() | tick_ids)


def read(fields: Any) -> Tick:
    return CONTRACT.parse(json.dumps(fields), message_id="m-1", sent_timestamp_ms=1_767_623_400_500)


def test_a_complete_message_is_a_tick() -> None:
    assert read(GOOD) == Tick("t-1", "TSLA", 1201.33, 100, "2026-01-05T14:30:00.250Z")


def test_the_plain_form_takes_id_and_time_from_sqs() -> None:
    tick = read({"symbol": "AAPL", "price": 150, "volume": 0})
    assert tick == Tick("m-1", "AAPL", 150.0, 0, "2026-01-05T14:30:00.500Z")
    assert isinstance(tick.price, float)


def test_unknown_fields_are_ignored() -> None:
    assert read({**GOOD, "exchange": "XNAS", "alert": True}) == read(GOOD)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("price=1", "not JSON"),
        ("\ufeff{}", "not JSON"),
        ("[" * MAX_BODY_CHARACTERS, "not JSON"),
        ("[]", "an array"),
        ("null", "null"),
        ("1", "a number"),
        ("1.5", "a fraction"),
        ('"x"', "a string"),
        ("true", "true or false"),
        ('{"price": NaN}', "NaN"),
        ('{"price": -Infinity}', "-Infinity"),
        (" " * MAX_BODY_CHARACTERS + "{}", "over-long"),
    ],
)
def test_what_is_no_json_object_is_rejected(body: str, reason: str) -> None:
    with pytest.raises(InvalidRecordError, match=reason):
        CONTRACT.parse(body, message_id="m-1", sent_timestamp_ms=0)


@pytest.mark.parametrize("field", ["symbol", "price", "volume"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(InvalidRecordError, match=f"{field} is missing"):
        read({name: value for name, value in GOOD.items() if name != field})


@pytest.mark.parametrize("value", [None, True, 1, 1.5, [], {}])
@pytest.mark.parametrize("field", ["tick_id", "symbol", "timestamp"])
def test_a_text_field_of_another_type_is_rejected(field: str, value: Any) -> None:
    with pytest.raises(InvalidRecordError, match=f"^{field} is .*, not a string"):
        read({**GOOD, field: value})


@pytest.mark.parametrize("value", [None, True, False, "1", "", [], {}])
@pytest.mark.parametrize("field", ["price", "volume"])
def test_a_number_of_another_type_is_rejected(field: str, value: Any) -> None:
    with pytest.raises(InvalidRecordError, match=f"^{field} is .*, not a"):
        read({**GOOD, field: value})


@pytest.mark.parametrize("price", ["0", "0.0", "-0.0", "-1", "1e-400", "-1e999"])
def test_a_price_that_is_not_above_0_is_rejected(price: str) -> None:
    with pytest.raises(InvalidRecordError, match=r"^price"):
        CONTRACT.parse(json.dumps(GOOD).replace("1201.33", price), message_id="m", sent_timestamp_ms=0)


@pytest.mark.parametrize("price", ["1e999", "1" + "0" * 400])
def test_a_price_beyond_all_floats_is_not_finite(price: str) -> None:
    with pytest.raises(InvalidRecordError, match="price is not finite"):
        CONTRACT.parse(json.dumps(GOOD).replace("1201.33", price), message_id="m", sent_timestamp_ms=0)


@pytest.mark.parametrize("volume", [-1, LARGEST_INT + 1, 10**300])
def test_a_volume_beyond_athenas_int_is_rejected(volume: int) -> None:
    with pytest.raises(InvalidRecordError, match="is not between 0 and 2147483647"):
        read({**GOOD, "volume": volume})


@pytest.mark.parametrize("volume", [0.5, 100.0, 1e3])
def test_a_volume_in_fractions_is_rejected(volume: float) -> None:
    with pytest.raises(InvalidRecordError, match="volume is a fraction"):
        read({**GOOD, "volume": volume})


@pytest.mark.parametrize("volume", [0, LARGEST_INT])
def test_the_largest_and_smallest_volume_are_ticks(volume: int) -> None:
    assert read({**GOOD, "volume": volume}).volume == volume


@pytest.mark.parametrize("symbol", ["A", "BRK.B", "BF-B", "A234567890"])
def test_symbols_of_the_contract(symbol: str) -> None:
    assert read({**GOOD, "symbol": symbol}).symbol == symbol


@pytest.mark.parametrize(
    "symbol", ["", "tsla", "1A", ".A", "A2345678901", "A B", "A/B", "../A", "A\n", "Ä", "A\u0661", "<b>", "A\ud800"]
)
def test_any_other_symbol_is_rejected(symbol: str) -> None:
    with pytest.raises(InvalidRecordError, match=r"^symbol '") as caught:
        read({**GOOD, "symbol": symbol})
    assert str(caught.value).isascii()


@pytest.mark.parametrize("tick_id", ["", "-a", "_a", "a" * 65, "a b", "a/b", "a.b", "a\n", "é"])
def test_a_tick_id_that_would_make_a_bad_key_is_rejected(tick_id: str) -> None:
    with pytest.raises(InvalidRecordError, match=r"^tick_id '"):
        read({**GOOD, "tick_id": tick_id})


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "2026-01-05",
        "2026-01-05 14:30:00Z",
        "2026-01-05T14:30Z",
        "2026-01-05T14:30:00",
        "2026-13-05T14:30:00Z",
        "2026-02-29T14:30:00Z",
        "2026-01-05T25:30:00Z",
        "2026-01-05T14:30:60Z",
        "2026-01-05T14:30:00.1234567Z",
        "2026-01-05T14:30:00+25:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:59:59+01:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-01-05T14:30:00Z\n",
        "٢٠٢٦-01-05T14:30:00Z",
        "1767623400",
    ],
)
def test_a_timestamp_that_is_no_utc_instant_is_rejected(timestamp: str) -> None:
    with pytest.raises(InvalidRecordError, match=r"^timestamp '"):
        read({**GOOD, "timestamp": timestamp})


@pytest.mark.parametrize(
    ("timestamp", "epoch_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-05T14:30:00Z", 1_767_623_400_000),
        ("2026-01-05T15:30:00.5+01:00", 1_767_623_400_500),
        ("2026-01-05T14:30:00.999999Z", 1_767_623_400_999),
    ],
)
def test_the_epoch_is_in_whole_milliseconds_of_utc(timestamp: str, epoch_ms: int) -> None:
    assert read({**GOOD, "timestamp": timestamp}).epoch_ms == epoch_ms


@given(ticks)
def test_what_is_encoded_is_parsed_as_the_same_tick(tick: Tick) -> None:
    assert CONTRACT.parse(CONTRACT.encode(tick), message_id="other", sent_timestamp_ms=1) == tick


@given(st.text(max_size=300) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_whatever_arrives_is_a_tick_or_has_a_reason(body: str) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        CONTRACT.parse(body, message_id="m", sent_timestamp_ms=0)
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 200


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "tick_id": tick_ids | json_values,
            "symbol": symbols | json_values,
            "price": prices | json_values,
            "volume": st.integers(0, LARGEST_INT) | json_values,
            "timestamp": moments | json_values,
        },
    )
)
def test_any_accepted_tick_can_be_stored_and_found_again(fields: dict[str, Any]) -> None:
    try:
        tick = read(fields)
    except InvalidRecordError:
        return
    line = CONTRACT.encode_stored(tick, sent_timestamp_ms=0, processed_at=datetime(2026, 1, 5, tzinfo=UTC), alert=False)
    assert CONTRACT.parse_stored(line.encode()).record == tick
    assert CONTRACT.identity_of_key(CONTRACT.key(tick)) == (tick.symbol, tick.epoch_ms, tick.tick_id)


@given(ticks)
def test_a_key_gives_back_the_ticks_identity(tick: Tick) -> None:
    assert CONTRACT.key(tick) == f"processed/{tick.symbol}/{tick.epoch_ms}-{tick.tick_id}.json"
    assert CONTRACT.identity_of_key(CONTRACT.key(tick)) == (tick.symbol, tick.epoch_ms, tick.tick_id)


@given(st.lists(ticks, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_a_batch_key_depends_on_its_members_and_not_on_their_order(members: list[Tick], random: Any) -> None:
    members = [replace(tick, symbol="TSLA") for tick in members]
    shuffled = members[:]
    random.shuffle(shuffled)
    assert CONTRACT.batch_key(shuffled) == CONTRACT.batch_key(members)
    assert CONTRACT.batch_key(members).startswith(f"processed/TSLA/{min(tick.epoch_ms for tick in members)}-batch.")
    assert CONTRACT.identity_of_key(CONTRACT.batch_key(members)) is None


def test_other_batches_have_other_keys() -> None:
    first = read(GOOD)
    second = replace(first, tick_id="t-2")
    batches = [[first], [second], [first, second]]
    assert len({*map(CONTRACT.batch_key, batches), CONTRACT.key(first)}) == 4


@pytest.mark.parametrize(
    "key",
    [
        "",
        "TSLA/1-a.json",
        "processed/TSLA/1-a.json.tmp",
        "processed/TSLA/1-.json",
        "processed/TSLA/x-a.json",
        "processed/tsla/1-a.json",
        "processed/TSLA/A/1-a.json",
        "athena-results/TSLA/1-a.json",
        "processed/TSLA/1-a.json\n",
    ],
)
def test_a_foreign_key_has_no_identity(key: str) -> None:
    assert CONTRACT.identity_of_key(key) is None


@pytest.mark.parametrize(
    ("cooldown_seconds", "timestamp", "name"),
    [
        (60, "2026-01-05T14:30:00Z", "1767623400000"),
        (60, "2026-01-05T14:30:59.999Z", "1767623400000"),
        (60, "2026-01-05T14:31:00Z", "1767623460000"),
        (86_400, "2026-01-05T14:31:00Z", "1767571200000"),
        (0, "2026-01-05T14:30:00.250Z", "1767623400250-t-1"),
    ],
)
def test_an_alert_window_starts_on_a_multiple_of_the_cooldown(cooldown_seconds: int, timestamp: str, name: str) -> None:
    tick = read({**GOOD, "timestamp": timestamp})
    assert CONTRACT.alert_key("price", tick, cooldown_seconds) == f"alerts/price/TSLA/{name}.json"


def test_the_record_is_the_tick_and_what_became_of_it() -> None:
    processed_at = datetime(2026, 1, 5, 14, 30, 1, 123_999, tzinfo=UTC)
    tick = read({**GOOD, "timestamp": "2026-01-05T15:30:00.25+01:00"})
    line = CONTRACT.encode_stored(tick, sent_timestamp_ms=1_767_623_400_500, processed_at=processed_at, alert=True)
    assert line.endswith("\n")
    assert json.loads(line) == {
        **GOOD,
        "timestamp": "2026-01-05T15:30:00.25+01:00",
        "event_time": "2026-01-05T14:30:00.250Z",
        "processed_at": "2026-01-05T14:30:01.123Z",
        "latency_ms": 623,
        "alert": True,
    }


def test_a_tick_carries_the_run_that_made_it_through_message_and_record() -> None:
    tick = read({**GOOD, "run": "sim42-0a1b2c3d"})
    assert tick.run == "sim42-0a1b2c3d"
    assert json.loads(CONTRACT.encode(tick)) == {**GOOD, "run": "sim42-0a1b2c3d"}
    line = CONTRACT.encode_stored(tick, sent_timestamp_ms=0, processed_at=tick.event_time, alert=False)
    assert json.loads(line)["run"] == "sim42-0a1b2c3d"
    assert CONTRACT.parse_stored(line.encode()).record == tick


@pytest.mark.parametrize("fields", [GOOD, {**GOOD, "run": None}], ids=["missing", "null"])
def test_a_tick_without_a_run_has_none_in_message_and_record(fields: dict[str, Any]) -> None:
    tick = read(fields)
    assert tick.run is None
    assert json.loads(CONTRACT.encode(tick)) == GOOD
    assert "run" not in CONTRACT.encode_stored(tick, sent_timestamp_ms=0, processed_at=tick.event_time, alert=False)


@pytest.mark.parametrize("run", [1, True, [], {}, "", "-a", "a" * 65, "a b", "a/b", "a.b"])
def test_a_run_of_another_form_is_rejected(run: Any) -> None:
    with pytest.raises(InvalidRecordError, match=r"^run ") as caught:
        read({**GOOD, "run": run})
    assert caught.value.field == "run"


def test_the_columns_are_the_fields_of_a_record_the_named_ones_first() -> None:
    assert CONTRACT.columns("symbol", "price", "volume", "processed_at") == (
        ("symbol", "string"),
        ("price", "double"),
        ("volume", "int"),
        ("processed_at", "string"),
        ("tick_id", "string"),
        ("timestamp", "string"),
        ("run", "string"),
        ("event_time", "string"),
        ("latency_ms", "bigint"),
        ("alert", "boolean"),
    )
