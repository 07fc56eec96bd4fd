"""The last stored records, as they are in the bucket."""

from typing import Any, Final

from nicegui import ui

from console import text
from console.model import Model, Record
from console.panels.parts import card, empty

SHOWN: Final = 12
_WIDE: Final = {"classes": "wide mono", "headerClasses": "wide"}  # not on a phone
_COLUMNS: Final[list[dict[str, Any]]] = [
    {"name": "processed", "label": "Processed", "field": "processed", "align": "left"},
    {"name": "symbol", "label": "Symbol", "field": "symbol", "align": "left"},
    {"name": "price", "label": "Price", "field": "price", "align": "right"},
    {"name": "volume", "label": "Volume", "field": "volume", "align": "right", **_WIDE},
    {"name": "latency", "label": "Latency", "field": "latency", "align": "right"},
    {"name": "alert", "label": "Alert", "field": "alert", "align": "left"},
    {
        "name": "tick",
        "label": "Tick",
        "field": "tick",
        "align": "left",
        "classes": "wide mono",
        "headerClasses": "wide",
    },
]


class RecordsPanel:
    """A table of the records that were processed last."""

    def __init__(self) -> None:
        self._shown: list[Record] = []
        with card("Last records", "records", hint="times in UTC"):
            self._empty = empty("inventory_2", "Nothing stored yet.")
            self._table = (
                ui.table(columns=_COLUMNS, rows=[], row_key="key").classes("table").props("flat dense hide-bottom")
            )
            self._table.props["aria-label"] = "Last records"

    def update(self, model: Model, now_ms: int) -> None:
        """Show the newest records."""
        newest = model.last_records[-SHOWN:][::-1]
        self._empty.set_visibility(not newest)
        self._table.set_visibility(bool(newest))
        if newest != self._shown:
            self._shown = newest
            self._table.rows = [_row(record, now_ms) for record in newest]


def _row(record: Record, now_ms: int) -> dict[str, str]:
    return {
        "key": f"{record.key}#{record.tick_id}",
        "processed": text.stamp(record.processed_ms, now_ms),
        "symbol": record.symbol,
        "price": text.price(record.price),
        "volume": f"{record.volume:,}",
        "latency": text.milliseconds(record.latency_ms),
        "alert": "breach" if record.alert else "",
        "tick": record.tick_id,
    }
