import gzip
from typing import Any

import pytest

from analytics.serde import MalformedJsonError, read_rows

COLUMNS = (("symbol", "string"), ("price", "double"), ("volume", "int"), ("latency_ms", "bigint"), ("alert", "boolean"))
NULLS = (None,) * 5


def rows(body: bytes, key: str = "processed/A/1-a.json") -> list[tuple[Any, ...]]:
    return list(read_rows(key, body, COLUMNS, ignore_malformed=True))


def value(column: str, literal: str) -> Any:
    (row,) = rows(f'{{"{column}":{literal}}}'.encode())
    return row[[name for name, _ in COLUMNS].index(column)]


def test_a_record_becomes_a_row_of_the_declared_columns() -> None:
    body = b'{"tick_id":"x","symbol":"TSLA","price":1201.33,"volume":100,"latency_ms":7,"alert":true}\n'
    assert rows(body) == [("TSLA", 1201.33, 100, 7, True)]


def test_keys_match_in_any_case_and_the_last_one_wins() -> None:
    assert rows(b'{"SYMBOL":"A","Price":1,"price":2}') == [("A", 2.0, None, None, None)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_each_line_is_a_row_whatever_ends_it(end: bytes) -> None:
    assert [row[0] for row in rows(b'{"symbol":"A"}' + end + b'{"symbol":"B"}' + end)] == ["A", "B"]


@pytest.mark.parametrize("line", [b"{", b'{"symbol":"A"', b"nonsense", b"17", b'"text"', b"", b"null", b"\xff\xfe"])
def test_what_is_no_json_object_is_a_row_of_nulls(line: bytes) -> None:
    assert rows(line + b"\n" + b'{"symbol":"B"}\n') == [NULLS, ("B", None, None, None, None)]


def test_a_malformed_line_is_an_error_where_the_table_says_so() -> None:
    with pytest.raises(MalformedJsonError, match=r"line 2 of 'some-key'"):
        list(read_rows("some-key", b'{}\n{"symbol":\n', COLUMNS, ignore_malformed=False))


def test_an_empty_object_has_no_rows() -> None:
    assert rows(b"") == []


def test_a_byte_order_mark_is_skipped() -> None:
    assert rows(b'\xef\xbb\xbf{"symbol":"A"}\n')[0][0] == "A"


def test_an_array_fills_the_columns_in_their_order() -> None:
    assert rows(b'["A",1.5]\n') == [("A", 1.5, None, None, None)]


def test_what_follows_the_first_value_is_ignored() -> None:
    assert [row[0] for row in rows(b'{"symbol":"A"} {"symbol":"B"}\n')] == ["A"]


def test_gz_is_known_by_the_key() -> None:
    packed = gzip.compress(b'{"symbol":"A"}\n')
    assert [row[0] for row in rows(packed, "processed/A/1.json.gz")] == ["A"]
    assert set(rows(packed, "processed/A/1.json")) == {NULLS}
    assert rows(packed[:-12], "processed/A/1.json.gz")[0][0] in {None, "A"}
    assert rows(b"no gzip", "processed/A/1.json.gz") == [NULLS]


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("-2147483649", None),
        ("1e400", None),
        ("9" * 5000, None),
        ("12.9", 12),
        ("-12.9", -12),
        ('"12"', 12),
        ('"1_2"', None),
        ("true", None),
        ("[1]", None),
        ("null", None),
    ],
)
def test_int_is_32_bits(literal: str, expected: int | None) -> None:
    assert value("volume", literal) == expected


def test_bigint_keeps_every_digit() -> None:
    assert value("latency_ms", "9007199254740993") == 9007199254740993
    assert value("latency_ms", "9223372036854775808") is None


@pytest.mark.parametrize(
    ("literal", "expected"), [('"1.5"', 1.5), ("1e999", float("inf")), ('"x"', None), ("{}", None)]
)
def test_double(literal: str, expected: float | None) -> None:
    assert value("price", literal) == expected


@pytest.mark.parametrize(("literal", "expected"), [("true", True), ('"TRUE"', True), ("1", False), ('"no"', False)])
def test_boolean(literal: str, expected: bool) -> None:
    assert value("alert", literal) is expected


@pytest.mark.parametrize(
    ("literal", "expected"),
    [("17.50", "17.50"), ("true", "true"), ('{"a":[1,null]}', '{"a":[1,null]}'), ('"ünï"', "ünï"), ('""', "")],
)
def test_string_takes_anything_as_its_text(literal: str, expected: str) -> None:
    assert value("symbol", literal) == expected


def test_deep_nesting_is_malformed_not_a_crash() -> None:
    assert rows(b'{"symbol":' + b"[" * 100_000) == [NULLS]
