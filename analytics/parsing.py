"""Parses SQL in Athena's dialect, and refuses statements that don't only read.

Whoever may run compaction may also drop tables and insert rows, so Athena itself wouldn't refuse `DROP TABLE records`. https://docs.aws.amazon.com/athena/latest/ug/ddl-sql-reference.html
"""

import logging
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from analytics.result import HistoryError

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it would warn about SQL that is refused with an error anyway

LONGEST_SQL = (
    262_144  # bytes, on Athena; a fixed quota: https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
)
TOO_DEEP = "the query is nested too deeply: split it up with WITH"

_TERMINAL_CODES = re.compile(r"\x1b\[\d+m")
_EXPLAIN = re.compile(r"\s*(?:ANALYZE\b)?\s*(?:\(\s*(?:FORMAT|TYPE)\b[^()]*\))?", re.IGNORECASE)
# Inside of a query: SELECT … INTO, and what other dialects allow in a WITH.
_CHANGES = (exp.Into, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.Command)


def parse_reading(sql: str) -> exp.Expr:
    """The one statement of `sql`, which reads: SELECT, WITH, VALUES, SHOW, DESCRIBE, or EXPLAIN of a query.

    Raises `HistoryError` for all others, and with the position for a syntax error.
    """
    tree = _parse_one(sql)
    if not _reads(tree):
        raise HistoryError(
            "stockpipe query only reads: SELECT, WITH, VALUES, SHOW, DESCRIBE, or EXPLAIN of a query. "
            "Nothing was run; what changes tables is for Athena's own tools"
        )
    return tree


def _reads(tree: exp.Expr) -> bool:
    if isinstance(tree, exp.Query | exp.Values):
        return tree.find(*_CHANGES) is None
    if isinstance(tree, exp.Command):
        verb, rest = tree.name.upper(), tree.text("expression")
        # EXPLAIN ANALYZE runs what it explains
        return verb == "SHOW" or (verb == "EXPLAIN" and isinstance(parse_reading(_EXPLAIN.sub("", rest, 1)), exp.Query))
    return isinstance(tree, exp.Describe)


def _parse_one(sql: str) -> exp.Expr:
    try:
        size = len(sql.encode())
    except UnicodeEncodeError as error:
        raise HistoryError("the query isn't valid UTF-8") from error
    if size > LONGEST_SQL:
        raise HistoryError(f"the query has {size:,} bytes; Athena takes up to {LONGEST_SQL:,}")
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree and not isinstance(tree, exp.Semicolon)]
    except ParseError as error:
        first = error.errors[0]
        column = first["col"] - len(first["highlight"]) + 1
        near = f" near {first['highlight']!r}" if first["highlight"] else ""
        raise HistoryError(f"line {first['line']}, column {column}: {first['description']}{near}") from error
    except RecursionError as error:
        raise HistoryError(TOO_DEEP) from error
    except TokenError as error:
        raise HistoryError(_TERMINAL_CODES.sub("", str(error)).split("\n", 1)[0] + _unclosed(sql)) from error
    if len(trees) != 1:
        raise HistoryError(
            f"expected one statement, found {len(trees)}: run one query at a time"
            if trees
            else "the query has no statement"
        )
    return trees[0]


def _unclosed(sql: str) -> str:
    quotes = [(sql.count(quote) % 2, quote) for quote in ("'", '"')]
    return next((f": a {quote} is never closed" for odd, quote in quotes if odd), "")
