"""The data contract: what a tick is on the queue and what a record is in the bucket.

Everybody who writes or reads ticks goes through this module: the producer (`encode`), the Lambda function
(`parse`, `to_record`, `record_key`), and those who prove that nothing was lost (`parse`, `identity_of_key`). It uses
the standard library only, because it is zipped into the function.

Queue message body, JSON::

    {"tick_id": "…", "symbol": "TSLA", "price": 1201.33, "volume": 100, "timestamp": "2026-01-05T14:30:00.250Z"}

`tick_id` and `timestamp` may be missing: the SQS message id and the SQS SentTimestamp stand in for them.

Stored record, JSON on one line: the tick plus `event_time`, `processed_at`, `latency_ms`, `alert`.

Keys: `record_key` (one object per tick), `batch_key` (one object per symbol and batch), `alert_marker_key`.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

PROCESSED_PREFIX = "processed/"
ALERTS_PREFIX = "alerts/"
MAX_BODY_CHARACTERS = 4096
MAX_VOLUME = 2**31 - 1  # Athena's `int` is 32 bits and signed
_MAX_LATENCY_MS = 2**53

_SYMBOL = re.compile(r"[A-Z][A-Z0-9.-]{0,9}")
_TICK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_KEY = re.compile(
    rf"{PROCESSED_PREFIX}(?P<symbol>{_SYMBOL.pattern})/(?P<epoch>[0-9]+)-(?P<tick_id>{_TICK_ID.pattern})\.json"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidTickError(ValueError):
    """A message that is no tick. Its text is the reason, fit for a log line and for the operator."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One trade: `price` in dollars, `volume` in shares, `timestamp` ISO 8601 with its offset, as it was sent."""

    tick_id: str
    symbol: str
    price: float
    volume: int
    timestamp: str

    @property
    def event_time(self) -> datetime:
        """The event time in UTC."""
        return datetime.fromisoformat(self.timestamp).astimezone(UTC)

    @property
    def epoch_ms(self) -> int:
        """The event time in whole milliseconds since 1970, rounded down."""
        return to_epoch_ms(self.event_time)


@dataclass(frozen=True, slots=True)
class Record:
    """A stored record, as it was read: `processed_ms` in milliseconds since 1970."""

    tick: Tick
    processed_ms: int
    latency_ms: int
    alert: bool


def to_epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down, without a detour over floating point."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def iso_utc(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, for example `2026-01-05T14:30:00.250Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(tick: Tick) -> str:
    """The tick as a queue message body."""
    return json.dumps(
        {
            "tick_id": tick.tick_id,
            "symbol": tick.symbol,
            "price": tick.price,
            "volume": tick.volume,
            "timestamp": tick.timestamp,
        },
        separators=(",", ":"),
        allow_nan=False,
    )


def parse(body: str, *, message_id: str, sent_timestamp_ms: int) -> Tick:
    """Read a queue message body.

    `message_id` and `sent_timestamp_ms` (SQS attribute SentTimestamp) stand in for a missing `tick_id` or `timestamp`.
    Fields that the contract doesn't know are ignored. Raises `InvalidTickError` with the reason.
    """
    fields = _json_object(body)
    fields.setdefault("tick_id", message_id)
    if "timestamp" not in fields:
        fields["timestamp"] = _from_epoch_ms(sent_timestamp_ms)
    return _tick(fields)


def to_record(tick: Tick, *, sent_timestamp_ms: int, processed_at: datetime, alert: bool) -> dict[str, Any]:
    """The stored record.

    `latency_ms` is the time from SQS accepting the message to its processing: it means the same for live ticks and for
    replayed ones, whose event time may be years ago. It is never negative, though clocks may differ.
    """
    return {
        "tick_id": tick.tick_id,
        "symbol": tick.symbol,
        "price": tick.price,
        "volume": tick.volume,
        "timestamp": tick.timestamp,
        "event_time": iso_utc(tick.event_time),
        "processed_at": iso_utc(processed_at),
        "latency_ms": max(0, to_epoch_ms(processed_at) - sent_timestamp_ms),
        "alert": alert,
    }


def encode_record(record: dict[str, Any]) -> str:
    """The record as one line of newline-delimited JSON, its newline included."""
    return json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n"


def parse_record(line: bytes) -> Record:
    """Read a line that `encode_record` wrote. Raises `InvalidTickError` with the reason for anything else."""
    try:
        fields = _json_object(line.decode())
    except UnicodeDecodeError:
        raise InvalidTickError("it is not UTF-8") from None
    tick = _tick(fields)
    if _required(fields, "event_time") != iso_utc(tick.event_time):
        raise InvalidTickError(f"event_time is not {iso_utc(tick.event_time)}")
    latency_ms = _required(fields, "latency_ms")
    if isinstance(latency_ms, bool) or not isinstance(latency_ms, int) or not 0 <= latency_ms <= _MAX_LATENCY_MS:
        raise InvalidTickError("latency_ms is not a whole number of milliseconds")
    return Record(
        tick=tick,
        processed_ms=to_epoch_ms(datetime.fromisoformat(_timestamp(_required(fields, "processed_at")))),
        latency_ms=latency_ms,
        alert=_required(fields, "alert") is True,
    )


def record_key(tick: Tick) -> str:
    """`processed/<SYMBOL>/<EPOCH>-<tick_id>.json`: the same tick always lands on the same key, two ticks never do."""
    return f"{PROCESSED_PREFIX}{tick.symbol}/{tick.epoch_ms}-{tick.tick_id}.json"


def identity_of_key(key: str) -> tuple[str, int, str] | None:
    """(symbol, epoch in ms, tick id) of a key that `record_key` made; None for any other key."""
    match = _KEY.fullmatch(key)
    return (match["symbol"], int(match["epoch"]), match["tick_id"]) if match else None


def batch_key(ticks: Iterable[Tick]) -> str:
    """`processed/<SYMBOL>/<EPOCH>-batch.<hash>.json`: the same ticks of one symbol land on the same key in any order.

    EPOCH is the earliest event time. No tick id has a dot in it, so no `record_key` can look like this.
    """
    ordered = sorted(ticks, key=lambda tick: (tick.epoch_ms, tick.tick_id))
    members = "\n".join(record_key(tick) for tick in ordered)
    digest = hashlib.sha256(members.encode()).hexdigest()[:32]
    return f"{PROCESSED_PREFIX}{ordered[0].symbol}/{ordered[0].epoch_ms}-batch.{digest}.json"


def alert_marker_key(tick: Tick, *, cooldown_seconds: int) -> str:
    """`alerts/<SYMBOL>/<WINDOW>.json`: the object that says that the tick's window has been alerted.

    WINDOW is the window's start in ms of event time; without a cooldown (0) each tick is a window, `<EPOCH>-<tick_id>`.
    """
    if cooldown_seconds == 0:
        return f"{ALERTS_PREFIX}{tick.symbol}/{tick.epoch_ms}-{tick.tick_id}.json"
    length_ms = cooldown_seconds * 1000
    return f"{ALERTS_PREFIX}{tick.symbol}/{tick.epoch_ms // length_ms * length_ms}.json"


def _tick(fields: dict[str, Any]) -> Tick:
    return Tick(
        tick_id=_tick_id(_required(fields, "tick_id")),
        symbol=_symbol(_required(fields, "symbol")),
        price=_price(_required(fields, "price")),
        volume=_volume(_required(fields, "volume")),
        timestamp=_timestamp(_required(fields, "timestamp")),
    )


def _json_object(body: str) -> dict[str, Any]:
    if len(body) > MAX_BODY_CHARACTERS:
        raise InvalidTickError(f"body is over-long: {len(body)} characters, at most {MAX_BODY_CHARACTERS}")
    try:
        fields = json.loads(body, parse_constant=_reject_constant)
    except InvalidTickError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidTickError(f"body is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidTickError(f"body is not a JSON object but {_json_type(fields)}")
    return fields


def _reject_constant(name: str) -> NoReturn:
    raise InvalidTickError(f"{name} is not a number that JSON or SQL know")


def _required(fields: dict[str, Any], name: str) -> Any:
    try:
        return fields[name]
    except KeyError:
        raise InvalidTickError(f"{name} is missing") from None


def _tick_id(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidTickError(f"tick_id is {_json_type(value)}, not a string")
    if not _TICK_ID.fullmatch(value):
        raise InvalidTickError(f"tick_id {_shown(value)} is not 1 to 64 letters, digits, '_' or '-'")
    return value


def _symbol(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidTickError(f"symbol is {_json_type(value)}, not a string")
    if not _SYMBOL.fullmatch(value):
        raise InvalidTickError(f"symbol {_shown(value)} does not match [A-Z][A-Z0-9.-]{{0,9}}")
    return value


def _price(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidTickError(f"price is {_json_type(value)}, not a number")
    try:
        price = float(value)
    except OverflowError:
        price = math.inf
    if not math.isfinite(price):
        raise InvalidTickError("price is not finite")
    if price <= 0:
        raise InvalidTickError(f"price {price} is not above 0")
    return price


def _volume(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidTickError(f"volume is {_json_type(value)}, not a whole number")
    if not 0 <= value <= MAX_VOLUME:
        raise InvalidTickError(f"volume {_shown(str(value))} is not between 0 and {MAX_VOLUME}")
    return value


def _timestamp(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidTickError(f"timestamp is {_json_type(value)}, not a string")
    if not _TIMESTAMP.fullmatch(value):
        raise InvalidTickError(f"timestamp {_shown(value)} is not ISO 8601 with an offset (2026-01-05T14:30:00.250Z)")
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidTickError(f"timestamp {_shown(value)}: {error}") from None
    if moment < _EPOCH:
        raise InvalidTickError(f"timestamp {_shown(value)} is before 1970")
    return value


def _from_epoch_ms(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return iso_utc(datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000))


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a fraction" if isinstance(value, float) else "a number")


def _shown(value: str) -> str:
    return ascii(value if len(value) <= 40 else value[:37] + "...")
