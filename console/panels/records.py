"""The last stored records, as they are in the bucket."""

from typing import Any, Final

from nicegui import ui

from console import text
from console.actions import given_fields
from console.model import Model, Seen
from console.panels.parts import card, empty
from runtime.contract import Contract

SHOWN: Final = 12
_WIDE: Final = {"classes": "wide mono", "headerClasses": "wide"}  # not on a phone


class RecordsPanel:
    """A table of the records that were processed last."""

    def __init__(self, contract: Contract[Any]) -> None:
        self._contract = contract
        self._shown: list[Seen] = []
        with card("Last records", "records", hint="times in UTC"):
            self._empty = empty("inventory_2", "Nothing stored yet.")
            self._table = ui.table(columns=_columns(contract), rows=[], row_key="key")
            self._table.classes("table").props("flat dense hide-bottom")
            self._table.props["aria-label"] = "Last records"

    def update(self, model: Model, now_ms: int) -> None:
        """Show the newest records."""
        newest = model.last_records[-SHOWN:][::-1]
        self._empty.set_visibility(not newest)
        self._table.set_visibility(bool(newest))
        if newest != self._shown:
            self._shown = newest
            self._table.rows = [_row(self._contract, record, now_ms) for record in newest]


def _columns(contract: Contract[Any]) -> list[dict[str, Any]]:
    narrow = (*contract.record.GROUP, contract.charted)
    return [
        _column("processed"),
        *(
            _column(
                f"field-{one.name}",
                one.name,
                align="left" if one.sql_type == "string" else "right",
                **({} if one.name in narrow else _WIDE),
            )
            for one in given_fields(contract)
        ),
        _column("latency", align="right"),
        _column("alert"),
        _column("id", contract.noun, **_WIDE),
    ]


def _column(name: str, label: str = "", *, align: str = "left", **looks: str) -> dict[str, Any]:
    return {"name": name, "label": (label or name).capitalize(), "field": name, "align": align, **looks}


def _row(contract: Contract[Any], seen: Seen, now_ms: int) -> dict[str, str]:
    stored = seen.stored
    return {
        "key": f"{seen.key}#{stored.record.id}",
        "processed": text.stamp(stored.processed_ms, now_ms),
        **{f"field-{one.name}": text.cell(getattr(stored.record, one.name)) for one in given_fields(contract)},
        "latency": text.milliseconds(stored.latency_ms),
        "alert": "breach" if stored.alert else "",
        "id": stored.record.id,
    }
