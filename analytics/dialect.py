"""From Athena's SQL to DuckDB's, and back again for the positions of errors.

SQLGlot translates the functions. This module adds what depends on the tables: which of them are read, which of their
objects can be left out (some columns are folders), `"$path"`, and the names that Trino gives to unnamed columns.
"""

import difflib
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from analytics.parsing import TOO_DEEP, parse_reading
from analytics.result import HistoryError
from analytics.tables import tables
from bootstrap.table_definitions import TableDefinition
from profiles.environment import Environment

PATH_COLUMN = "$path"

# Scalar functions of DuckDB that show something of the process or its settings, or have side effects.
_OF_THE_SYSTEM = frozenset(
    {
        "current_query",
        "current_setting",
        "getenv",
        "getvariable",
        "json_serialize_plan",
        "nextval",
        "pg_get_viewdef",
        "pg_sleep",
        "sleep_ms",
        "write_log",
    }
)


@dataclass(frozen=True)
class Translation:
    """SQL for DuckDB, the names of our tables that it reads, and whether it asks for `"$path"`."""

    athena_sql: str
    duckdb_sql: str
    tables: tuple[str, ...]
    uses_path: bool
    tree: exp.Query


def translate(sql: str, environment: Environment) -> Translation:
    """Parse one query in Athena's dialect. `HistoryError` carries the position of a syntax error.

    Only tables of this environment are accepted. Functions that show something of the machine or read other data are
    refused.
    """
    try:
        return _translate(sql, environment)
    except RecursionError as error:
        raise HistoryError(TOO_DEEP) from error


def _translate(sql: str, environment: Environment) -> Translation:
    tree = _parse(sql, environment)
    _refuse_other_functions(tree, environment)
    scans = _scans(tree, environment)
    _refuse_unknown_tables(tree, scans, environment)
    uses_path = any(column.name == PATH_COLUMN for column in tree.find_all(exp.Column))
    translated = tree.copy()
    for scan in _scans(translated, environment):
        scan.set("db", exp.to_identifier(environment.names.database))
        scan.set("catalog", None)
        if uses_path:
            _hide_path_from_stars(scan)
    _name_columns_as_trino(translated)
    _make_percentiles_exact(translated)
    duckdb_sql = translated.sql(dialect="duckdb")
    _refuse_what_it_became(duckdb_sql, environment)
    return Translation(
        athena_sql=sql,
        duckdb_sql=duckdb_sql,
        tables=tuple(dict.fromkeys(scan.name.lower() for scan in scans)),
        uses_path=uses_path,
        tree=tree,
    )


def pruning_condition(
    translation: Translation, table: TableDefinition, folders: tuple[str, ...], environment: Environment
) -> str | None:
    """What the query demands of a table's folder columns in DuckDB's SQL; None: all are needed.

    Only conditions that stand alone in a WHERE next to the table are used: they hold for every row that counts.
    """
    demands: list[exp.Expr] = []
    for scan in _scans(translation.tree, environment):
        if scan.name.lower() != table.name:
            continue
        select = scan.find_ancestor(exp.Select)
        where = select.args.get("where") if select else None
        if select is None or where is None or not _is_direct_source(scan, select):
            return None
        alone = not select.args.get("joins")
        parts = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
        usable = [part for part in parts if _concerns(part, scan, folders, alone=alone)]
        if not usable:
            return None
        demands.append(exp.and_(*(_without_qualifiers(part) for part in usable)))
    return exp.or_(*demands).sql(dialect="duckdb") if demands else None


def locate(translation: Translation, offset: int) -> str | None:
    """`line 3, column 8` of the user's text for a position in the translated text, by the token that stands there."""
    ours = sqlglot.tokenize(translation.duckdb_sql, read="duckdb")
    index = next((i for i, token in enumerate(ours) if token.start <= offset <= token.end), None)
    if index is None:
        return None
    text = ours[index].text.lower()
    nth = sum(token.text.lower() == text for token in ours[:index])
    theirs = [t for t in sqlglot.tokenize(translation.athena_sql, read="athena") if t.text.lower() == text]
    if not theirs:
        return None
    token = theirs[min(nth, len(theirs) - 1)]
    return f"line {token.line}, column {token.col - len(token.text) + 1}"


def _parse(sql: str, environment: Environment) -> exp.Query:
    tree = parse_reading(sql)
    if not isinstance(tree, exp.Query):
        raise HistoryError(
            "the offline engine answers queries (SELECT, WITH), and neither VALUES alone nor SHOW, DESCRIBE, EXPLAIN; "
            f"its tables are {', '.join(tables(environment))}"
        )
    return tree


def _scans(tree: exp.Expr, environment: Environment) -> list[exp.Table]:
    """References to our tables; a CTE of the same name hides a table."""
    ours, databases = tables(environment), {"", environment.names.database}
    return [
        table
        for table in tree.find_all(exp.Table)
        if table.name.lower() in ours and table.db.lower() in databases and not _is_cte(table)
    ]


def _refuse_unknown_tables(tree: exp.Expr, ours: list[exp.Table], environment: Environment) -> None:
    known, there = {id(table) for table in ours}, tables(environment)
    for table in tree.find_all(exp.Table):
        if id(table) in known or _is_cte(table):
            continue
        close = difflib.get_close_matches(table.name.lower(), there, n=1)
        where = table.this.meta
        place = f"line {where['line']}, column {where['col'] - len(table.name) + 1}: " if "line" in where else ""
        raise HistoryError(
            f"{place}there is no table {table.sql(dialect='athena')}. "
            + (f"Did you mean {close[0]}? " if close else "")
            + f"Tables of {environment.names.database}: {', '.join(there)}"
        )


def _is_cte(table: exp.Table) -> bool:
    """Whether a WITH around the reference defines its name. Anywhere else DuckDB would look for a table or a file."""
    node: exp.Expr = table
    while (around := node.parent) is not None and not table.db:
        visible: list[exp.Expr] = []
        if isinstance(around, exp.With):  # a CTE sees those before it, and with RECURSIVE itself
            visible = around.expressions[: around.expressions.index(node) + bool(around.args.get("recursive"))]
        elif (defined := around.args.get("with_")) is not None and defined is not node:
            visible = defined.expressions
        if any(cte.alias.lower() == table.name.lower() for cte in visible):
            return True
        node = around
    return False


def _refuse_other_functions(tree: exp.Expr, environment: Environment) -> None:
    """Refuse every function other than UNNEST as a source of rows, and functions that show something of the system."""
    for node in tree.find_all(exp.Anonymous, exp.Table, exp.Lateral):
        called = node if isinstance(node, exp.Anonymous) else node.this
        is_source = called is not node and isinstance(called, exp.Func) and not isinstance(called, exp.Unnest)
        if is_source or (called is node and called.name.lower() in _OF_THE_SYSTEM):
            name = called.sql(dialect="athena").partition("(")[0].lower()
            readable = ", ".join(tables(environment))
            raise HistoryError(f"the offline engine has no function {name}: a query can read only {readable}")


def _refuse_what_it_became(duckdb_sql: str, environment: Environment) -> None:
    """The same of the text that DuckDB gets: SQLGlot writes some names as they are, and they could hold SQL."""
    try:
        (tree,) = sqlglot.parse(duckdb_sql, read="duckdb")
    except (ValueError, sqlglot.errors.SqlglotError) as error:
        raise HistoryError("the offline engine can't translate this query") from error
    if not isinstance(tree, exp.Query):
        raise HistoryError("the offline engine can't translate this query")
    _refuse_other_functions(tree, environment)
    _refuse_unknown_tables(tree, _scans(tree, environment), environment)


def _is_star(item: exp.Expr) -> bool:
    return isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))


def _is_direct_source(scan: exp.Table, select: exp.Select) -> bool:
    source = select.args.get("from_")
    direct = [source.this] if source else []
    direct += [join.this for join in select.args.get("joins") or []]
    return any(scan is one for one in direct)


def _concerns(part: exp.Expr, scan: exp.Table, folders: tuple[str, ...], *, alone: bool) -> bool:
    columns = list(part.find_all(exp.Column))
    return (
        bool(columns)
        and not part.find(exp.Query)
        and all(column.name.lower() in folders for column in columns)
        and all(
            column.table.lower() == scan.alias_or_name.lower() or (alone and not column.table) for column in columns
        )
    )


def _without_qualifiers(part: exp.Expr) -> exp.Expr:
    bare = part.copy()
    for column in bare.find_all(exp.Column):
        for level in ("table", "db", "catalog"):
            column.set(level, None)
    return exp.paren(bare)


def _hide_path_from_stars(scan: exp.Table) -> None:
    """`SELECT *` doesn't give hidden columns."""
    select = scan.find_ancestor(exp.Select)
    if select is None or not _is_direct_source(scan, select):
        return
    for item in select.expressions:
        star = item.this if isinstance(item, exp.Column) else item
        if isinstance(star, exp.Star) and not star.args.get("except_"):
            star.set("except_", [exp.to_identifier(PATH_COLUMN, quoted=True)])


def _name_columns_as_trino(tree: exp.Query) -> None:
    select = tree if isinstance(tree, exp.Select) else tree.find(exp.Select)
    if select is None or any(_is_star(item) for item in select.expressions):
        return
    for index, item in enumerate(select.expressions):
        if not isinstance(item, exp.Alias | exp.Column):
            item.replace(exp.alias_(item.copy(), f"_col{index}"))


def _make_percentiles_exact(tree: exp.Query) -> None:
    """`approx_percentile` becomes the exact percentile: Trino's sketch and DuckDB's would differ from each other."""
    for node in list(tree.find_all(exp.ApproxQuantile)):
        node.replace(exp.Anonymous(this="quantile_disc", expressions=[node.this.copy(), node.args["quantile"].copy()]))
