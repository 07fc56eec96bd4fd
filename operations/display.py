"""How the operator's commands show times, tables and values."""

from dataclasses import fields, is_dataclass
from typing import Any

from rich.table import Table

from runtime.clock import from_epoch_ms, iso_utc
from runtime.contract import Contract
from runtime.fields import Record, values_of


def timestamp(at_ms: int) -> str:
    """`2026-01-05T14:30:00.250Z`."""
    return iso_utc(from_epoch_ms(at_ms))


def clock_time(at_ms: int) -> str:
    """`14:30:00.250`, UTC like everything that AWS logs and stores."""
    return timestamp(at_ms)[11:-1]


def age(milliseconds: int) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`."""
    seconds = max(0, milliseconds // 1000)
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def plain_table(*columns: str) -> Table:
    """A table without lines; what doesn't fit is folded, never cut."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def as_document(contract: Contract[Any], value: Any) -> Any:
    """A value for JSON: dataclasses as objects, in which fields are named after the contract's record."""
    if isinstance(value, Record):
        return values_of(value)
    if is_dataclass(value):
        names = {
            "record_id": contract.record.ID,
            "record": contract.noun,
            "is_valid": f"is_valid_{contract.noun}",
        }
        return {names.get(one.name, one.name): as_document(contract, getattr(value, one.name)) for one in fields(value)}
    return [as_document(contract, one) for one in value] if isinstance(value, tuple | list) else value
