"""JSON objects to rows, as Athena reads them through the OpenX JSON SerDe.

Trino, Athena's engine, is the authority (`OpenXJsonDeserializer`, `TextLineReader` in trino-hive-formats):

- one row per line; lines end with LF, CR or CRLF; a UTF-8 byte order mark at the start is skipped;
- a line that is not a JSON object or array is a row of NULLs; so is a malformed one with `ignore.malformed.json`, and
  without it the query fails;
- keys match columns whatever their case, the last of several wins; keys without a column are ignored, missing ones
  are NULL; an array gives its elements to the columns in their order;
- what follows the first JSON value on a line is ignored;
- a number may be quoted; an `int` drops its fraction and is NULL outside 32 bits, a `bigint` outside 64;
- a `boolean` is true for `true` in any case, whatever else is false; a `string` takes anything as its JSON text;
- objects whose key ends in `.gz` are decompressed.

Where Trino gives up on the whole query (an object or array in a number column, a broken `.gz`), the value or the object
is NULL here, so that the query still runs. Trino also accepts comments, single
quotes and unquoted strings; such a line counts as malformed here.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

Row = tuple[Any, ...]

_DECODE_LINE_ENDS = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BITS = {"int": 32, "bigint": 64}
# bytes; Athena's limit for a row: https://docs.aws.amazon.com/athena/latest/ug/other-notable-limitations.html
LONGEST_LINE = 32 * 2**20


class MalformedJsonError(ValueError):
    """A line is malformed and the table's definition doesn't ignore that."""


class LineTooLongError(ValueError):
    """A line is longer than `LONGEST_LINE`."""


class _Number(str):
    """A number as it was written: how it is read depends on the column's type."""

    __slots__ = ()


_DECODER = json.JSONDecoder(
    strict=False,
    parse_int=_Number,
    parse_float=_Number,
    parse_constant=_Number,
    object_pairs_hook=lambda pairs: {key.lower(): value for key, value in pairs},
)


def read_rows(key: str, body: bytes, columns: tuple[tuple[str, str], ...], *, ignore_malformed: bool) -> Iterator[Row]:
    """The rows of one object. `columns` are (name, Athena's type).

    Raises `MalformedJsonError`, `LineTooLongError`.
    """
    nulls = (None,) * len(columns)
    if key.endswith(".gz"):
        try:
            body = zlib.decompress(body, wbits=31)
        except zlib.error:
            yield nulls
            return
    lines = _DECODE_LINE_ENDS.split(body.removeprefix(_BYTE_ORDER_MARK))
    if not lines[-1]:
        lines.pop()  # after the last line end there is no line
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise LineTooLongError(
                f"line {number} of {key!r} has {len(line):,} bytes: a row can have at most 32 MB, as on Athena"
            )
        try:
            yield _read_line(line.decode("utf-8", errors="replace").strip(), columns) or nulls
        except (ValueError, RecursionError) as error:
            if not ignore_malformed:
                raise MalformedJsonError(f"malformed JSON in line {number} of {key!r}: {error}") from None
            yield nulls


def _read_line(line: str, columns: tuple[tuple[str, str], ...]) -> Row | None:
    if not line.startswith(("{", "[")):
        return None
    value, _ = _DECODER.raw_decode(line)
    if isinstance(value, list):
        padded = value + [None] * len(columns)
        return tuple(_coerce(padded[index], kind) for index, (_, kind) in enumerate(columns))
    return tuple(_coerce(value.get(name), kind) for name, kind in columns)


def _coerce(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "string":
        return str(value) if isinstance(value, str) else _to_text(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if not isinstance(value, str):
        return None
    return _to_double(value) if kind == "double" else _to_integer(value, _BITS[kind])


def _to_text(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(_to_text, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_to_text(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


def _to_double(text: str) -> float | None:
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _to_integer(text: str, bits: int) -> int | None:
    """Truncates towards zero, as Trino does; a 64-bit integer written plainly keeps all its digits."""
    if "_" in text:
        return None
    try:
        number = int(text)
    except ValueError:
        double = _to_double(text)
        if double is None or not -(2.0**63) <= double < 2.0**63:
            return None
        number = int(double)
    return number if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1) else None


Fields = dict[str, Any]

_STRICT = json.JSONDecoder(parse_int=_Number, parse_float=_Number, object_pairs_hook=list)


def lost_by_rows(
    body: bytes, columns: tuple[tuple[str, str], ...], derived: dict[str, Callable[[Fields], bool]]
) -> str | None:
    """The first thing in an object that its rows of these columns don't hold exactly; None if they hold everything.

    `derived` are fields that aren't columns, each with a check that the columns' values say the same. Stricter than
    the SerDe: a key in another case, a quoted number or a blank line counts as lost.
    """
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    losses = (f"line {n}: {lost}" for n, line in enumerate(lines, 1) for lost in _lost_by_row(line, columns, derived))
    return next(losses, None) if lines else "it is empty"


def _lost_by_row(
    line: bytes, columns: tuple[tuple[str, str], ...], derived: dict[str, Callable[[Fields], bool]]
) -> Iterator[str]:
    try:
        pairs, end = _STRICT.raw_decode(text := line.decode())
    except (ValueError, RecursionError):
        yield "it isn't JSON"
        return
    if not text.startswith("{"):
        yield "it isn't a JSON object"
        return
    if text[end:].strip(" \t\r"):
        yield "there is more after the JSON object"
    fields, kinds = dict(pairs), dict(columns)
    if len(fields) < len(pairs):
        yield "a field appears twice"
    for name, value in fields.items():
        if name not in kinds and name not in derived:
            yield f"field {name!r} isn't in the table"
        elif not (_is_held(value, kinds[name]) if name in kinds else derived[name](fields)):
            yield f"the table can't hold the exact value of field {name!r}"


def _is_held(value: Any, kind: str) -> bool:
    """Whether a column of this type gives back what was written: the same number, text or truth value, or NULL."""
    if value is None:
        return True
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        is_text = isinstance(value, str) and not isinstance(value, _Number)
        return is_text and "\0" not in value and not any("\ud800" <= one <= "\udfff" for one in value)
    if not isinstance(value, _Number):
        return False
    held = _coerce(value, kind)
    try:
        return held is not None and Decimal(value) == Decimal(repr(held))
    except InvalidOperation:
        return False
