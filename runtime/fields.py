"""The field table of a record: a frozen dataclass whose fields say their type, their rule and their meaning.

    @dataclass(frozen=True, slots=True)
    class Tick(Record):
        price: float = number(above=0, meaning="in dollars", expected="a number above 0, such as 130.31")

Everything else follows from it: the checks of messages, records, manifest lines and CSV rows with their errors, and
the columns of tables.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, NoReturn

from runtime.clock import to_epoch_ms

RUN = "run"  # names the optional field with the run of a producer that sent the record
LARGEST_INT = 2**31 - 1  # Athena's `int` is 32 bits and signed
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_LONGEST_SHOWN = 40  # characters of a value in an error


class InvalidRecordError(ValueError):
    """A value breaks the contract. The text is the reason, for a log line and for an operator; `field` names it."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True)
class Field:
    """What the contract says about one field.

    `check` returns the value as the record holds it, or raises `InvalidRecordError`. `sql_type` is Athena's.
    `expected` completes "expected …" in an error about a CSV file. `filterable`: subscribers can filter alerts by it.
    """

    name: str
    check: Callable[[str, Any], Any]
    sql_type: str
    meaning: str
    expected: str
    required: bool
    filterable: bool = False

    def from_text(self, value: str) -> Any:
        """The JSON value of a CSV cell. Raises `InvalidRecordError`."""
        pattern = {"double": _NUMBER, "int": _WHOLE, "bigint": _WHOLE}.get(self.sql_type)
        if pattern is None:
            return value
        if not pattern.fullmatch(value):
            raise InvalidRecordError("", self.name)
        return float(value) if pattern is _NUMBER else int(value)


class Record:
    """Base of a pipeline's record, a frozen dataclass made of the fields below.

    `ID` names the field with the unique id; `GROUP` the fields whose values, with `/` between, are its folder in the
    bucket and the scope of alert windows. Every record has a `timestamp`, the event time as it was sent. It may have
    the optional field `run`, a text: producers set it to the name of their run.
    """

    __slots__ = ()
    ID: ClassVar[str]
    GROUP: ClassVar[tuple[str, ...]]

    @property
    def id(self) -> str:
        """The unique id."""
        return str(getattr(self, self.ID))

    @property
    def group(self) -> str:
        """What it belongs to, for example the symbol of a tick."""
        return "/".join(str(getattr(self, name)) for name in self.GROUP)

    @property
    def event_time(self) -> datetime:
        """The event time in UTC."""
        return datetime.fromisoformat(getattr(self, "timestamp")).astimezone(UTC)  # noqa: B009 - a subclass has it

    @property
    def epoch_ms(self) -> int:
        """The event time in whole milliseconds since 1970, rounded down."""
        return to_epoch_ms(self.event_time)


def fields_of(record: type[Record]) -> tuple[Field, ...]:
    """The field table of a record class, in order."""
    return tuple(one.metadata["field"](one.name) for one in fields(record))  # type: ignore[arg-type]  # a dataclass


def values_of(record: Record) -> dict[str, Any]:
    """The record's values by field; an optional field without a value is left out."""
    named = {one.name: getattr(record, one.name) for one in fields(record)}  # type: ignore[arg-type]
    return {name: value for name, value in named.items() if value is not None}


def text(pattern: str, form: str, **about: Any) -> Any:
    """A string that matches `pattern` as a whole; `form` completes the error for one that doesn't.

    `about`, here and below: `meaning`, `expected`, and perhaps `filterable` (as in `Field`) and `optional`.
    """
    compiled = re.compile(pattern)

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidRecordError(f"{name} is {json_type(value)}, not a string", name)
        if not compiled.fullmatch(value):
            raise InvalidRecordError(f"{name} {shown(value)} {form}", name)
        return value

    return _field(check, "string", **about)


def number(*, above: float | None = None, **about: Any) -> Any:
    """A finite number, greater than `above` if that is given."""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidRecordError(f"{name} is {json_type(value)}, not a number", name)
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise InvalidRecordError(f"{name} is not finite", name)
        if above is not None and found <= above:
            raise InvalidRecordError(f"{name} {found} is not above {above}", name)
        return found

    return _field(check, "double", **about)


def whole(least: int, most: int, **about: Any) -> Any:
    """A whole number from `least` to `most`."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidRecordError(f"{name} is {json_type(value)}, not a whole number", name)
        if not least <= value <= most:
            raise InvalidRecordError(f"{name} {shown(str(value))} is not between {least} and {most}", name)
        return value

    kind = "int" if least >= -LARGEST_INT and most <= LARGEST_INT else "bigint"
    return _field(check, kind, **about)


def time(*, meaning: str) -> Any:
    """A time with its offset in ISO 8601, from 1970 on; it is kept as it was written."""
    expected = "ISO 8601 with an offset, such as 2026-01-05T14:30:00.250Z"
    return _field(check_time, "string", meaning=meaning, expected=expected)


def check_time(name: str, value: Any) -> str:
    """A time in ISO 8601 with an offset. Raises `InvalidRecordError`."""
    if not isinstance(value, str):
        raise InvalidRecordError(f"{name} is {json_type(value)}, not a string", name)
    if not _TIMESTAMP.fullmatch(value):
        raise InvalidRecordError(
            f"{name} {shown(value)} is not ISO 8601 with an offset (2026-01-05T14:30:00.250Z)", name
        )
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRecordError(f"{name} {shown(value)}: {error}", name) from None
    if to_epoch_ms(moment) < 0:
        raise InvalidRecordError(f"{name} {shown(value)} is before 1970", name)
    return value


def reject_constant(name: str) -> NoReturn:
    """For `json.loads`: NaN and infinity."""
    raise InvalidRecordError(f"{name} is not a number that JSON or SQL know")


def required(values: Mapping[str, Any], name: str) -> Any:
    """The value of a field. Raises `InvalidRecordError` if it is missing."""
    try:
        return values[name]
    except KeyError:
        raise InvalidRecordError(f"{name} is missing", name) from None


def json_type(value: Any) -> str:
    """What JSON calls a value, with its article."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a fraction" if isinstance(value, float) else "a number")


def shown(value: str) -> str:
    """A text for an error: quoted, in ASCII, and cut off if it is long."""
    return ascii(value if len(value) <= _LONGEST_SHOWN else value[: _LONGEST_SHOWN - 3] + "...")


def _field(check: Callable[[str, Any], Any], sql_type: str, *, optional: bool = False, **about: Any) -> Any:
    made = {"field": partial(Field, check=check, sql_type=sql_type, required=not optional, **about)}
    return field(default=None, metadata=made) if optional else field(metadata=made)
