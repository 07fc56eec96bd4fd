"""The named queries: choose one, run it, see its rows."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from nicegui import ui

from analytics.result import Result
from analytics.statements import named_queries
from console import text
from console.panels.parts import answer, card, say
from profiles.pipeline import Pipeline
from terminal.untrusted import printable

_ROWS: Final = 100
_CELL_CHARACTERS: Final = 200
_ENGINES: Final = {"": "automatic", "athena": "Athena", "duckdb": "offline (DuckDB)"}
_RIGHT: Final = ("double", "float", "real", "integer", "bigint", "decimal", "smallint", "tinyint")


class QueriesPanel:
    """A query runs only when asked: on AWS it costs money."""

    def __init__(self, pipeline: Pipeline, run: Callable[[str, str | None], Awaitable[Result]]) -> None:
        self._run = run
        self._queries = named_queries(pipeline)
        first = next(iter(self._queries))
        with card("Queries", "queries", hint="the same SQL on Athena and offline"):
            with ui.element("div").classes("query-row"):
                self._choice = ui.select(list(self._queries), value=first, label="Named query", on_change=self._explain)
                self._choice.props("outlined dense options-dense")
                self._engine = ui.select(_ENGINES, value="", label="Engine").props("outlined dense options-dense")
                self._button = ui.button("Run", icon="play_arrow", on_click=self._start).props("unelevated no-caps")
            self._about = ui.label("").classes("muted")
            with ui.expansion("SQL").classes("sql").props("dense"):
                self._sql = ui.label("").classes("mono sql-text")
            self._answer = answer()
            self._table = ui.table(columns=[], rows=[], row_key="row").classes("table")
            self._table.props('flat dense hide-bottom :rows-per-page-options="[0]"')
            self._table.set_visibility(False)
        self._explain()

    def _explain(self) -> None:
        query = self._queries[str(self._choice.value)]
        self._about.set_text(query.answers)
        self._sql.set_text(query.text.strip())

    async def _start(self) -> None:
        self._button.disable()
        say(self._answer, "Running …")
        try:
            result = await self._run(str(self._choice.value), str(self._engine.value) or None)
        except RuntimeError as error:
            say(self._answer, str(error), "failed")
            self._table.set_visibility(False)
        else:
            say(self._answer, _summary(result))
            self._fill(result)
        finally:
            self._button.enable()

    def _fill(self, result: Result) -> None:
        # Column and cell keys are made here: none comes out of the data.
        self._table.columns = [
            {
                "name": f"c{index}",
                "field": f"c{index}",
                "label": printable(column.name),
                "align": "right" if column.type.split("(")[0] in _RIGHT else "left",
            }
            for index, column in enumerate(result.columns)
        ]
        self._table.rows = [
            {"row": number, **{f"c{index}": _cell(value) for index, value in enumerate(row)}}
            for number, row in enumerate(result.rows[:_ROWS])
        ]
        self._table.set_visibility(bool(result.rows))


def _summary(result: Result) -> str:
    rows = text.counted(len(result.rows), "row")
    shown = f", the first {_ROWS} shown" if len(result.rows) > _ROWS else ""
    cost = f" · ${result.cost_dollars:.5f}" if result.cost_dollars else ""
    notes = " ".join(result.notes)
    scanned = f"{result.scanned_bytes / 1000:,.1f} kB"
    return f"{rows}{shown} · {result.seconds:.2f} s · {scanned} read by {result.engine}{cost}. {notes}".strip()


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return printable(text.shortened(str(value), _CELL_CHARACTERS))
