"""A contract of another pipeline: keys of groups of two fields, its own nouns and names."""

import json
import re
from dataclasses import make_dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.contract import STORED_FIELDS, Contract, Stored, group_of_values, moment
from runtime.fields import InvalidRecordError, Record, number, text, time, whole
from tests.unit.runtime.readings import READING, READINGS, Reading

EPOCH_MS = 1_767_623_400_250
KEY = f"readings/lyon/roof-2/{EPOCH_MS}-r-1.json"
PROCESSED = datetime(2026, 1, 5, 14, 30, 1, tzinfo=UTC)

names = st.from_regex(r"[a-z][a-z0-9-]{0,19}", fullmatch=True)
readings = st.builds(
    Reading,
    st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True),
    names,
    names,
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 2**40),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)).map(lambda at: at.isoformat() + "Z"),
    st.none() | st.floats(min_value=0, exclude_min=True, allow_infinity=False),
)


def stored(reading: Reading = READING) -> bytes:
    return READINGS.encode_stored(reading, sent_timestamp_ms=EPOCH_MS, processed_at=PROCESSED, alert=True).encode()


@given(readings)
def test_what_is_encoded_is_parsed_as_the_same_record(reading: Reading) -> None:
    assert READINGS.parse(READINGS.encode(reading), message_id="other", sent_timestamp_ms=1) == reading
    assert READINGS.parse_stored(stored(reading)).record == reading


def test_id_and_time_can_come_from_sqs() -> None:
    body = {"site": "lyon", "sensor": "roof-2", "celsius": -4.5, "counter": 7}

    assert READINGS.parse(json.dumps(body), message_id="r-1", sent_timestamp_ms=EPOCH_MS) == READING


@given(readings)
def test_a_key_gives_back_the_records_identity(reading: Reading) -> None:
    key = READINGS.key(reading)

    assert key == f"readings/{reading.site}/{reading.sensor}/{reading.epoch_ms}-{reading.reading_id}.json"
    assert READINGS.identity_of_key(key) == (f"{reading.site}/{reading.sensor}", reading.epoch_ms, reading.reading_id)
    assert READINGS.group_of_key(key) == f"{reading.site}/{reading.sensor}"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "processed/lyon/roof-2/1-r-1.json",
        "readings/lyon/1-r-1.json",
        "readings/lyon/roof-2/attic/1-r-1.json",
        "readings//roof-2/1-r-1.json",
        "readings/lyon/Roof/1-r-1.json",
        "readings/lyon/roof-2/x-r-1.json",
        "readings/lyon/roof-2/1-R.json",
        "readings/lyon/roof-2/1-.json",
        "readings/lyon/roof-2/1-r-1.json.gz",
        "readings/lyon/roof-2/1-r-1.json\n",
        "readings\n/lyon/roof-2/1-r-1.json",
    ],
)
def test_a_foreign_key_has_no_identity(key: str) -> None:
    assert READINGS.identity_of_key(key) is None


@pytest.mark.parametrize(
    ("key", "group"),
    [
        (KEY, "lyon/roof-2"),
        (READINGS.batch_key([READING]), "lyon/roof-2"),
        ("readings/lyon/roof-2/anything", "lyon/roof-2"),
        ("readings/", ""),
        ("readings/1-r-1.json", ""),
        ("alerts/hot/lyon/roof-2/0.json", ""),
        ("", ""),
    ],
)
def test_any_key_under_the_prefix_belongs_to_a_group(key: str, group: str) -> None:
    assert READINGS.group_of_key(key) == group


def test_a_folder_holds_the_keys_of_a_group() -> None:
    assert READINGS.folder("lyon/roof-2") == "readings/lyon/roof-2/"
    assert READINGS.key(READING) == KEY
    assert READINGS.batch_key([READING]).startswith(f"readings/lyon/roof-2/{EPOCH_MS}-batch.")
    assert READINGS.identity_of_key(READINGS.batch_key([READING])) is None


@pytest.mark.parametrize(
    ("rule", "window_seconds", "key"),
    [
        ("hot", 60, "alerts/hot/lyon/roof-2/1767623400000.json"),
        ("hot", 3600, "alerts/hot/lyon/roof-2/1767621600000.json"),
        ("humid", 60, "alerts/humid/lyon/roof-2/1767623400000.json"),
        ("hot", 0, f"alerts/hot/lyon/roof-2/{EPOCH_MS}-r-1.json"),
    ],
)
def test_each_rule_has_markers_of_its_own(rule: str, window_seconds: int, key: str) -> None:
    assert READINGS.alert_key(rule, READING, window_seconds) == key


def test_a_stored_record_is_read_with_what_the_function_added() -> None:
    assert READINGS.parse_stored(stored()) == Stored(
        record=READING, processed_ms=EPOCH_MS + 750, latency_ms=750, alert=True
    )
    assert READINGS.parse_stored(stored()).sent_ms == EPOCH_MS


def test_clocks_that_differ_make_no_negative_latency() -> None:
    line = READINGS.encode_stored(READING, sent_timestamp_ms=EPOCH_MS + 5_000, processed_at=PROCESSED, alert=False)

    assert READINGS.parse_stored(line.encode()).latency_ms == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event_time": "2026-01-05T14:30:00Z"}, "event_time is not 2026-01-05T14:30:00.250Z"),
        ({"event_time": None}, "event_time is not 2026-01-05T14:30:00.250Z"),
        ({"latency_ms": -1}, "latency_ms is not a whole number of milliseconds"),
        ({"latency_ms": True}, "latency_ms is not a whole number of milliseconds"),
        ({"latency_ms": 2**54}, "latency_ms is not a whole number of milliseconds"),
        ({"processed_at": "soon"}, "processed_at 'soon' is not ISO 8601 with an offset"),
        ({"processed_at": 7}, "processed_at is a number, not a string"),
        ({"celsius": "1"}, "celsius is a string, not a number"),
        ({"site": "../x"}, "site '../x' is not a name"),
    ],
)
def test_a_stored_record_that_was_changed_has_a_reason(changes: dict[str, Any], reason: str) -> None:
    line = json.dumps({**json.loads(stored()), **changes}).encode()

    with pytest.raises(InvalidRecordError) as caught:
        READINGS.parse_stored(line)

    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("missing", [*STORED_FIELDS, "reading_id", "timestamp"])
def test_a_stored_record_lacks_nothing(missing: str) -> None:
    fields = json.loads(stored())
    del fields[missing]

    with pytest.raises(InvalidRecordError, match=f"^{missing} is missing$"):
        READINGS.parse_stored(json.dumps(fields).encode())


def test_a_stored_record_is_utf_8() -> None:
    with pytest.raises(InvalidRecordError, match="it is not UTF-8"):
        READINGS.parse_stored(b"\xff")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (READINGS.encode(READING), "r-1"),
        (stored(), "r-1"),
        ('{"reading_id": "../x", "celsius": null}', "../x"),
        ('{"reading_id": 7}', None),
        ("{}", None),
        ("[]", None),
        ("[" * 100_000, None),
        (b"\xff", None),
        ("", None),
    ],
    ids=lambda text: repr(text)[:40],
)
def test_an_id_is_found_in_what_may_be_invalid_otherwise(text: str | bytes, told: str | None) -> None:
    assert READINGS.told_id(text) == told


def test_the_stored_fields_are_columns_too() -> None:
    assert READINGS.columns("celsius", "site")[:3] == (
        ("celsius", "double"),
        ("site", "string"),
        ("reading_id", "string"),
    )
    assert dict(READINGS.columns()) == {
        "reading_id": "string",
        "site": "string",
        "sensor": "string",
        "celsius": "double",
        "counter": "bigint",
        "timestamp": "string",
        "humidity": "double",
        **{name: sql_type for name, (sql_type, _) in STORED_FIELDS.items()},
    }
    assert set(json.loads(stored(replace(READING, humidity=40.0)))) == set(dict(READINGS.columns()))


def test_the_group_is_read_from_the_fields_of_a_record() -> None:
    assert group_of_values(Reading, {"site": "lyon", "sensor": "roof-2"}) == READING.group == "lyon/roof-2"
    assert group_of_values(Reading, {"site": "lyon"}) is None
    assert group_of_values(Reading, {"site": "lyon", "sensor": 2}) is None


def contract_of(values: dict[str, Any], **attributes: Any) -> Contract[Any]:
    """A contract of readings, with other fields and class attributes."""
    fields = {
        "reading_id": text("[a-z0-9-]+", "is not an id", meaning="unique", expected="an id"),
        "site": text("[a-z]+", "is not a name", meaning="where", expected="a name"),
        "celsius": number(meaning="degrees", expected="a number"),
        "timestamp": time(meaning="when"),
        **values,
    }
    about = {"ID": "reading_id", "GROUP": ("site",), "noun": "reading", "plural": "readings", **attributes}
    namespace = {"ID": about.pop("ID"), "GROUP": about.pop("GROUP")}
    made = make_dataclass(
        "Made", [(name, Any, field) for name, field in fields.items()], bases=(Record,), namespace=namespace
    )
    return Contract(made, **{"prefix": "readings/", "charted": "celsius", **about})


def named(pattern: str, **more: Any) -> Any:
    return text(pattern, "is not a name", meaning="which", expected="a name", **more)


@pytest.mark.parametrize("name", [*STORED_FIELDS, "rule", "window", "cooldown_seconds"])
def test_a_field_is_not_called_like_one_that_the_kit_adds(name: str) -> None:
    with pytest.raises(ValueError, match=f"^the field {name}: stored records and alerts have a field of this name"):
        contract_of({name: number(meaning="taken", expected="a number")})


@pytest.mark.parametrize(
    ("values", "attributes", "refused"),
    [
        ({}, {"ID": "id"}, "the field id: ID and GROUP name text fields"),
        ({}, {"GROUP": ("site", "floor")}, "the field floor: ID and GROUP name text fields"),
        (
            {"floor": whole(0, 9, meaning="", expected="")},
            {"GROUP": ("site", "floor")},
            "the field floor: ID and GROUP",
        ),
        ({}, {"GROUP": ("celsius",)}, "the field celsius: ID and GROUP"),
        ({"floor": named("[a-z]+", optional=True)}, {"GROUP": ("floor",)}, "the field floor: ID and GROUP"),
        ({"site": named(".*")}, {}, "the field site: its pattern allows '/'"),
        ({"site": named("[a-z]+/[a-z]+")}, {}, "the field site: its pattern allows '/'"),
        ({"site": named("[A-Z/]{2,5}")}, {}, "the field site: its pattern allows '/'"),
        ({"reading_id": named(r"\S{3}")}, {}, "the field reading_id: its pattern allows '/'"),
        ({"reading_id": named(r"[a-z.]+")}, {}, "the field reading_id: its pattern allows '.'"),
    ],
)
def test_keys_are_built_of_text_without_separators(
    values: dict[str, Any], attributes: dict[str, Any], refused: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(refused)}"):
        contract_of(values, **attributes)


def test_a_group_may_have_dots() -> None:
    assert contract_of({"site": named("[A-Z][A-Z.-]*")}).folder("BRK.B") == "readings/BRK.B/"


@pytest.mark.parametrize("charted", ["site", "timestamp", "alert", "price"])
def test_what_is_charted_is_a_number(charted: str) -> None:
    with pytest.raises(ValueError, match=f"^the field {charted}: `charted` names a field with numbers$"):
        contract_of({}, charted=charted)


def test_every_record_has_an_event_time() -> None:
    made = make_dataclass(
        "Made",
        [("id_", str, named("[a-z]+")), ("value", float, number(meaning="", expected=""))],
        bases=(Record,),
        namespace={"ID": "id_", "GROUP": ("id_",)},
    )

    with pytest.raises(ValueError, match=r"^the field timestamp is missing"):
        Contract(made, prefix="p/", noun="one", plural="ones", charted="value")


@pytest.mark.parametrize("words", [("a reading", "readings"), ("reading", "sensor readings"), ("", "s"), ("r2", "r2s")])
def test_nouns_are_single_words(words: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="is not one word of letters: a contract's noun and plural are"):
        contract_of({}, noun=words[0], plural=words[1])


def test_records_are_sorted_by_event_time_and_then_by_id() -> None:
    later = replace(READING, reading_id="a", timestamp="2026-01-05T14:30:01Z")
    same = replace(READING, reading_id="r-0")

    assert sorted([later, READING, same], key=moment) == [same, READING, later]


def test_the_fields_of_its_own_are_those_that_other_contracts_do_not_have() -> None:
    assert [one.name for one in READINGS.own_fields] == ["site", "sensor", "celsius", "counter", "humidity"]


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        ("lyon", "'lyon' is not a site/sensor"),
        ("lyon/roof/2", "'lyon/roof/2' is not a site/sensor"),
        ("\n" * 50, "'" + r"\n" * 37 + "...' is not a site/sensor"),
        ("lyon/", "sensor '' is not a name"),
        ("LYON/roof", "site 'LYON' is not a name"),
    ],
)
def test_what_can_not_be_a_group_is_refused(group: str, reason: str) -> None:
    READINGS.check_group(READING.group)

    with pytest.raises(InvalidRecordError) as refused:
        READINGS.check_group(group)

    assert str(refused.value) == reason
