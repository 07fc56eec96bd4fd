"""The last stored records, as they are in the bucket."""

from typing import Any, Final

from nicegui import ui

from console import text
from console.actions import given_fields
from console.panels.parts import View, card, empty
from console.series import Seen
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
            self._table.classes("table").props('flat dense hide-bottom aria-label="Last records"')

    def update(self, view: View) -> None:
        """Show the newest records."""
        newest = view.model.last_records[-SHOWN:][::-1]
        self._empty.set_visibility(not newest)
        self._table.set_visibility(bool(newest))
        if newest != self._shown:
            self._shown = newest
            self._table.rows = [_row(self._contract, record, view.now_ms) for record in newest]


def _columns(contract: Contract[Any]) -> list[dict[str, Any]]:
    narrow = (*contract.record.GROUP, contract.charted)

    def column(name: str, label: str, *, right: bool = False, wide: bool = False) -> dict[str, Any]:
        looks = {"align": "right" if right else "left", **(_WIDE if wide else {})}
        return {"name": name, "label": label.capitalize(), "field": name, **looks}

    return [
        column("processed", "processed"),
        *(
            column(f"field-{one.name}", one.name, right=one.sql_type != "string", wide=one.name not in narrow)
            for one in given_fields(contract)
        ),
        column("latency", "latency", right=True),
        column("alert", "alert"),
        column("id", contract.noun, wide=True),
    ]


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
