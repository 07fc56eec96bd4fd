"""Message bodies that do harm where they are parsed, copied or shown carelessly, each with the reason for its refusal.

`REJECTED` are never stored: each ends in the dead-letter queue, with a reason that begins as it is written here.
`ODD` look hostile but are valid ticks: each is stored.
"""

import json
from dataclasses import dataclass
from typing import Any

_TICK = {"tick_id": "odd", "symbol": "ODD", "price": 1.5, "volume": 1, "timestamp": "2026-01-05T14:30:00Z"}
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Body:
    """A message body; `reason` is how the reason for its refusal begins, empty where it is a valid tick."""

    name: str
    text: str
    reason: str = ""

    @property
    def can_be_sent(self) -> bool:
        """SQS refuses an empty body, and some characters."""
        return bool(self.text) and all(character in "\t\n\r" or character >= " " for character in self.text)


def tick(**fields: Any) -> str:
    """A tick with some fields changed."""
    return json.dumps({**_TICK, **fields})


def written(field: str, literal: str) -> str:
    """A tick with one field's value written exactly so, which `json.dumps` might not do."""
    return tick(**{field: "@"}).replace('"@"', literal)


def padded(size: int) -> str:
    """A tick followed by spaces, `size` bytes in all."""
    return tick().ljust(size)


_NOT_A_STRING = (
    ("null", "null"),
    ("true", "true or false"),
    ("1", "a number"),
    ("[]", "an array"),
    ("{}", "an object"),
)
_NOT_A_NUMBER = (
    ("null", "null"),
    ("true", "true or false"),
    ('"1"', "a string"),
    ("[]", "an array"),
    ("{}", "an object"),
)
_TEXTS = {"tick_id": "tick_id '", "symbol": "symbol '", "timestamp": "timestamp '"}
_ALL_PLANES = "é€\uffee" + "".join(chr(plane << 16 | 0xFFFD) for plane in range(1, 17))
# As JSON escapes: SQS takes no control character and no half of a surrogate pair as such.
_ESCAPES = {"lone surrogate": r"\ud800", "NUL": r"\u0000", "ANSI escape": r"\u001b[31m", "right to left": r"\u202eTSLA"}

REJECTED = (
    # What parsers choke on.
    Body("20,000 opening brackets", "[" * 20_000, "body is over-long: 20000 characters"),
    Body("4,096 opening brackets", "[" * 4096, "body is not JSON"),
    Body("deep objects", '{"a":' * 600 + "1" + "}" * 600, "symbol is missing"),
    Body("deep objects, never closed", '{"a":' * 800, "body is not JSON"),
    Body("price of 4,301 digits", written("price", "9" * 4301), "body is over-long"),
    Body("price of 3,900 digits", written("price", "9" * 3900), "price is not finite"),
    Body("volume of 3,900 digits", written("volume", "9" * 3900), "volume '999"),
    Body("price 1e400", written("price", "1e400"), "price is not finite"),
    *(
        Body(f"{field} {name}", written(field, name), f"{name} is not a number")
        for field in ("price", "volume")
        for name in ("NaN", "Infinity", "-Infinity")
    ),
    Body("symbol twice", tick()[:-1] + ', "symbol": "../x"}', "symbol '../x' does not match"),
    Body("price twice", tick()[:-1] + ', "price": -1}', "price -1.0 is not above 0"),
    # What is hardly there, and what is too much.
    Body("nothing", "", "body is not JSON"),
    Body("white space", " \n\t ", "body is not JSON"),
    Body("an empty object", "{}", "symbol is missing"),
    Body("256 KiB of padding", padded(_MIB // 4), "body is over-long: 262144 characters"),
    Body("1 MiB of padding", padded(_MIB), "body is over-long: 1048576 characters"),
    Body("half a tick", tick()[:40], "body is not JSON"),
    Body("two ticks", tick() + tick(), "body is not JSON"),
    # Other documents.
    Body("a byte order mark", "\ufeff" + tick(), "body is not JSON"),
    Body("a tick in a string", json.dumps(tick()), "body is not a JSON object but a string"),
    Body("a tick in an array", f"[{tick()}]", "body is not a JSON object but an array"),
    Body("a number", "1", "body is not a JSON object but a number"),
    Body("null", "null", "body is not a JSON object but null"),
    Body("HTML", "<html><script>alert(1)</script></html>", "body is not JSON"),
    Body(
        "XML",
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "body is not JSON",
    ),
    Body("raw control characters", tick() + "\x00\x1b[31m", "body is not JSON"),
    # Text where it becomes a key, a log line or a cell of a table.
    *(
        Body(f"{name} in {field}", written(field, f'"{escape}"'), start)
        for name, escape in _ESCAPES.items()
        for field, start in _TEXTS.items()
    ),
    *(
        Body(f"{name} in {field}", written(field, f'"{escape}"'), f"{field} is a string, not a ")
        for name, escape in _ESCAPES.items()
        for field in ("price", "volume")
    ),
    Body("all planes in symbol", tick(symbol="é€\uffee\U00010000\U000fffff\U0010fffd"), "symbol '"),
    Body(
        "all planes, not escaped",
        '{"symbol":"é€\uffee\U00010000\U000fffff\U0010fffd","price":1,"volume":1}',
        "symbol '",
    ),
    Body("HTML in symbol", tick(symbol="<img src=x onerror=alert(1)>"), "symbol '<img"),
    Body("a path in symbol", tick(symbol="../../etc"), "symbol '../../etc'"),
    Body("a slash in symbol", tick(symbol="A/B"), "symbol 'A/B'"),
    Body("lower case", tick(symbol="tsla"), "symbol 'tsla'"),
    Body("a newline after symbol", tick(symbol="TSLA\n"), r"symbol 'TSLA\n'"),
    Body("a path in tick_id", tick(tick_id="../../x"), "tick_id '../../x'"),
    Body("a dot in tick_id", tick(tick_id="1-batch.0"), "tick_id '1-batch.0'"),
    Body("an empty tick_id", tick(tick_id=""), "tick_id ''"),
    Body("a tick_id of 65 letters", tick(tick_id="x" * 65), "tick_id 'xxx"),
    *(Body(f"{name} in run", written("run", f'"{escape}"'), "run '") for name, escape in _ESCAPES.items()),
    Body("a path in run", tick(run="../../x"), "run '../../x'"),
    # Wrong types.
    *(
        Body(f"{field} {literal}", written(field, literal), f"{field} is {kind}, not ")
        for field in _TEXTS
        for literal, kind in _NOT_A_STRING
    ),
    *(
        Body(f"{field} {literal}", written(field, literal), f"{field} is {kind}, not ")
        for field in ("price", "volume")
        for literal, kind in _NOT_A_NUMBER
    ),
    *(
        Body(f"run {literal}", written("run", literal), f"run is {kind}, not a string")
        for literal, kind in _NOT_A_STRING
        if literal != "null"
    ),
    # Numbers and times out of range.
    Body("price 0", written("price", "0"), "price 0.0 is not above 0"),
    Body("price -0.0", written("price", "-0.0"), "price -0.0 is not above 0"),
    Body("price -1", written("price", "-1"), "price -1.0 is not above 0"),
    Body("price 1e-400", written("price", "1e-400"), "price 0.0 is not above 0"),
    Body("volume -1", written("volume", "-1"), "volume '-1' is not between"),
    Body("volume 1.5", written("volume", "1.5"), "volume is a fraction, not a whole number"),
    Body("volume 1e3", written("volume", "1e3"), "volume is a fraction, not a whole number"),
    Body("volume 2**31", written("volume", str(2**31)), "volume '2147483648' is not between"),
    Body("volume 2**63", written("volume", str(2**63)), "volume '9223372036854775808' is not between"),
    *(
        Body(f"timestamp {value}", tick(timestamp=value), "timestamp '")
        for value in (
            "0000-00-00T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999-23:59",
            "12026-01-05T14:30:00Z",
            "2026-01-05T14:30:00",
            "2026-01-05T25:00:00Z",
            "tomorrow",
        )
    ),
)

ODD = (
    Body("unknown fields", written("exchange", '{"a": [NULL, "\\ud800", "\\u0000", 1e99]}').replace("NULL", "null")),
    Body("unknown fields of all planes", '{"symbol":"ODD","price":1,"volume":1,"é€\U0010fffd":"\U00010000\u202e"}'),
    Body("an escaped name", tick().replace('"symbol"', r'"\u0073ymbol"')),
    Body("white space around", f"\n\t {tick()} \r\n"),
    Body("padded to the limit", padded(4096)),
    Body("price 1e308", written("price", "1e308")),
    Body("price 5e-324", written("price", "5e-324")),
    Body("volume 2**31 - 1", written("volume", str(2**31 - 1))),
    Body("no run", written("run", "null")),
    Body("no id and no time", '{"symbol":"ODD","price":1,"volume":0}'),
    Body("dots in symbol", tick(symbol="A..-")),
)
