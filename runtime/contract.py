"""The data contract of a pipeline: what a record is on the queue and in the bucket, and under which keys.

All code that writes or reads records uses a `Contract`: producers (`encode`), the function (`parse`, `encode_stored`,
`key`), and the checks that nothing was lost (`parse_stored`, `identity_of_key`).

A message body is a JSON object with the record's fields. If the id or the timestamp is missing, the SQS message id
and SentTimestamp are used. A stored record is one line of JSON: the record's fields and those of `STORED_FIELDS`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import product
from typing import Any, Generic, TypeVar

from runtime.clock import from_epoch_ms, iso_utc, to_epoch_ms
from runtime.fields import (
    RUN,
    Field,
    InvalidRecordError,
    Record,
    check_time,
    fields_of,
    json_type,
    reject_constant,
    required,
    shown,
    values_of,
)

R = TypeVar("R", bound=Record)

MAX_BODY_CHARACTERS = 4096
ALERTS_PREFIX = "alerts/"
_MAX_LATENCY_MS = 2**53

# What the function adds to a record, in order: name → (Athena's type, meaning).
STORED_FIELDS: Mapping[str, tuple[str, str]] = {
    "event_time": ("string", "`timestamp` in UTC with milliseconds and `Z`"),
    "processed_at": ("string", "when the function built the record, in the same form"),
    "latency_ms": ("bigint", "from SQS accepting the message (SentTimestamp) to `processed_at`, never negative"),
    "alert": ("boolean", "whether an alert rule applies; not whether the alert was about this record"),
}

# A field of a record can't be called like these: they are those of stored records, and of the alerts' messages.
_TAKEN_NAMES = {*STORED_FIELDS, "rule", "window", "cooldown_seconds"}
_WORD = re.compile(r"[^\W\d_]+")
# Values to try a pattern with: a few on each side of a separator.
_SIDES = ("", "a", "A", "1", "ab", "AB", "12", "aB1")


@dataclass(frozen=True, slots=True)
class Stored(Generic[R]):
    """A record as it is stored: `processed_ms` in milliseconds since 1970."""

    record: R
    processed_ms: int
    latency_ms: int
    alert: bool

    @property
    def sent_ms(self) -> int:
        """When SQS accepted the message, in milliseconds since 1970."""
        return self.processed_ms - self.latency_ms


@dataclass(frozen=True)
class Contract(Generic[R]):
    """The contract of one kind of record.

    `prefix` is the folder of stored records in the bucket. `noun` and `plural` are what a record is called in messages
    for people, in log lines and in metrics. `charted` names the field, a number, that charts show for each group.
    """

    record: type[R]
    prefix: str
    noun: str
    plural: str
    charted: str

    def __post_init__(self) -> None:
        """Refuse what would fail later, far from its cause. Raises `ValueError`, which names the field."""
        for one in self.fields:
            if one.name in _TAKEN_NAMES:
                raise ValueError(f"the field {one.name}: stored records and alerts have a field of this name already")
        for name in (*self.record.GROUP, self.record.ID):
            _check_part_of_keys(name, self._by_name.get(name), "/." if name == self.record.ID else "/")
        if self._by_name.get("timestamp") is None:
            raise ValueError("the field timestamp is missing: every record has its event time in it")
        if dict(self.columns()).get(self.charted) not in ("double", "int", "bigint"):
            raise ValueError(f"the field {self.charted}: `charted` names a field with numbers")
        for word in (self.noun, self.plural):
            if not _WORD.fullmatch(word):  # it is part of log events and of metric names
                raise ValueError(f"{word!r} is not one word of letters: a contract's noun and plural are")

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The field table."""
        return fields_of(self.record)

    @cached_property
    def own_fields(self) -> tuple[Field, ...]:
        """The fields that only this contract has: not the id, the timestamp and the run, which are the same for all."""
        return tuple(one for one in self.fields if one.name not in (self.record.ID, "timestamp", RUN))

    def columns(self, *names: str) -> tuple[tuple[str, str], ...]:
        """(name, Athena's type) of the named columns, and then of all others; each once."""
        types = {one.name: one.sql_type for one in self.fields} | {
            name: sql_type for name, (sql_type, _) in STORED_FIELDS.items()
        }
        return tuple((name, types[name]) for name in dict.fromkeys((*names, *types)))

    def encode(self, record: R) -> str:
        """The record as a message body."""
        return json.dumps(values_of(record), separators=(",", ":"), allow_nan=False)

    def parse(self, body: str, *, message_id: str, sent_timestamp_ms: int) -> R:
        """Read a message body. Fields that the contract doesn't know are ignored. Raises `InvalidRecordError`."""
        values = _json_object(body)
        values.setdefault(self.record.ID, message_id)
        if "timestamp" not in values:
            values["timestamp"] = iso_utc(from_epoch_ms(sent_timestamp_ms))
        return self.make(values)

    def make(self, values: Mapping[str, Any]) -> R:
        """The record with these values as JSON has them, checked. Raises `InvalidRecordError`."""
        return self.record(
            **{
                one.name: one.check(one.name, required(values, one.name))
                for one in self.fields
                if one.required or values.get(one.name) is not None
            }
        )

    def encode_stored(self, record: R, *, sent_timestamp_ms: int, processed_at: datetime, alert: bool) -> str:
        """The stored record as one line of newline-delimited JSON, its newline included.

        `latency_ms` is the time from SQS accepting the message to its processing: it means the same for live records
        and for replayed ones, whose event time may be years ago.
        """
        added = {
            "event_time": iso_utc(record.event_time),
            "processed_at": iso_utc(processed_at),
            "latency_ms": max(0, to_epoch_ms(processed_at) - sent_timestamp_ms),
            "alert": alert,
        }
        return json.dumps({**values_of(record), **added}, separators=(",", ":"), allow_nan=False) + "\n"

    def parse_stored(self, line: bytes) -> Stored[R]:
        """Read a line that `encode_stored` wrote. Raises `InvalidRecordError` with the reason for anything else."""
        try:
            values = _json_object(line.decode())
        except UnicodeDecodeError:
            raise InvalidRecordError("it is not UTF-8") from None
        record = self.make(values)
        if required(values, "event_time") != iso_utc(record.event_time):
            raise InvalidRecordError(f"event_time is not {iso_utc(record.event_time)}")
        latency_ms = required(values, "latency_ms")
        if isinstance(latency_ms, bool) or not isinstance(latency_ms, int) or not 0 <= latency_ms <= _MAX_LATENCY_MS:
            raise InvalidRecordError("latency_ms is not a whole number of milliseconds")
        processed_at = check_time("processed_at", required(values, "processed_at"))
        return Stored(
            record=record,
            processed_ms=to_epoch_ms(datetime.fromisoformat(processed_at)),
            latency_ms=latency_ms,
            alert=required(values, "alert") is True,
        )

    def told_id(self, text: str | bytes) -> str | None:
        """The id in a message body or a stored line that may be invalid otherwise."""
        try:
            found = json.loads(text if isinstance(text, str) else text.decode())[self.record.ID]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return found if isinstance(found, str) else None

    def key(self, record: R) -> str:
        """`<prefix><group>/<EPOCH>-<id>.json`: a record always has the same key, and no two records share one."""
        return f"{self.folder(record.group)}{record.epoch_ms}-{record.id}.json"

    def batch_key(self, records: Iterable[R]) -> str:
        """`<prefix><group>/<EPOCH>-batch.<hash>.json`: the same records of one group have the same key in any order.

        EPOCH is the earliest event time. No id has a dot in it, so no `key` can look like this.
        """
        ordered = sorted(records, key=moment)
        digest = hashlib.sha256("\n".join(map(self.key, ordered)).encode()).hexdigest()[:32]
        return f"{self.folder(ordered[0].group)}{ordered[0].epoch_ms}-batch.{digest}.json"

    def folder(self, group: str) -> str:
        """The folder of a group's records in the bucket."""
        return f"{self.prefix}{group}/"

    def check_group(self, group: str) -> None:
        """Raise `InvalidRecordError` for what can't be the group of a record."""
        parts = group.split("/")
        if len(parts) != len(self.record.GROUP):
            raise InvalidRecordError(f"{shown(group)} is not a {'/'.join(self.record.GROUP)}")
        for name, part in zip(self.record.GROUP, parts, strict=True):
            self._by_name[name].check(name, part)

    def group_of_key(self, key: str) -> str:
        """The group of any key under `prefix`; empty for a key of another shape."""
        return key.removeprefix(self.prefix).rpartition("/")[0] if key.startswith(self.prefix) else ""

    def identity_of_key(self, key: str) -> tuple[str, int, str] | None:
        """(group, epoch in ms, id) of a key that `key` made; None for any other key."""
        match = self._key_pattern.fullmatch(key)
        if not match:
            return None
        try:
            self.check_group(match[1])
            self._by_name[self.record.ID].check(self.record.ID, match[3])
        except InvalidRecordError:
            return None
        return match[1], int(match[2]), match[3]

    def alert_key(self, rule: str, record: R, window_seconds: int) -> str:
        """`alerts/<rule>/<group>/<WINDOW>.json`: the marker of the record's alert window for a rule.

        WINDOW is the window's start in ms of event time. With 0 seconds each record is a window, `<EPOCH>-<id>`.
        """
        length_ms = window_seconds * 1000
        window = f"{record.epoch_ms // length_ms * length_ms}" if length_ms else f"{record.epoch_ms}-{record.id}"
        return f"{ALERTS_PREFIX}{rule}/{record.group}/{window}.json"

    @cached_property
    def _key_pattern(self) -> re.Pattern[str]:
        return re.compile(rf"{re.escape(self.prefix)}(.+)/([0-9]+)-([^/.]+)\.json")

    @cached_property
    def _by_name(self) -> Mapping[str, Field]:
        return {one.name: one for one in self.fields}


def moment(record: Record) -> tuple[int, str]:
    """Sorts records by event time, and those of the same time by id."""
    return record.epoch_ms, record.id


def group_of_values(record: type[Record], values: Mapping[str, Any]) -> str | None:
    """The group in the fields of a record; None if one of them is missing."""
    parts: Sequence[Any] = [values.get(name) for name in record.GROUP]
    return "/".join(parts) if all(isinstance(part, str) for part in parts) else None


def _check_part_of_keys(name: str, field: Field | None, separators: str) -> None:
    """Keys are built of this field's values: they must be text, always there, and without the keys' separators."""
    if field is None or field.sql_type != "string" or not field.required:
        raise ValueError(f"the field {name}: ID and GROUP name text fields of the record that are not optional")
    for left, separator, right in product(_SIDES, separators, _SIDES):
        with suppress(InvalidRecordError):
            field.check(name, f"{left}{separator}{right}")
            raise ValueError(f"the field {name}: its pattern allows {separator!r}, which separates the parts of a key")


def _json_object(body: str) -> dict[str, Any]:
    if len(body) > MAX_BODY_CHARACTERS:
        raise InvalidRecordError(f"body is over-long: {len(body)} characters, at most {MAX_BODY_CHARACTERS}")
    try:
        values = json.loads(body, parse_constant=reject_constant)
    except InvalidRecordError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidRecordError(f"body is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise InvalidRecordError(f"body is not a JSON object but {json_type(values)}")
    return values
