"""Text that came from elsewhere (queues, buckets, logs, arguments), made safe for a terminal or a page."""

import re
import sys

# All control characters except newline and tab, characters that change the direction of text or are invisible,
# Unicode's own line breaks, and lone surrogates, which can't be encoded.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """The text with unsafe characters escaped, so that a terminal shows them instead of obeying them."""
    return _UNSAFE.sub(_escaped, text)


def one_line(text: str, most: int) -> str:
    """The text on one line of at most `most` characters."""
    line = printable(" ".join(text[: 8 * most].split()))
    return line if len(line) <= most and len(text) <= 8 * most else line[: most - 1] + "…"


def never_fail_to_print() -> None:
    """Escape what standard output and standard error can't encode, instead of ending with a UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
