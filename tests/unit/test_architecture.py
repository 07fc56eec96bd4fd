"""Imports point one way, as docs/architecture.md says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A room may import from the lines below its own; rooms of one line don't know each other.
ORDER = (
    ("stockpipe",),
    ("console",),
    ("operations",),
    ("bootstrap", "analytics", "emulator", "producer"),
    ("terminal",),
    ("profiles",),
    ("pipeline",),
)
ROOMS = [room for line in ORDER for room in line]


def imported_rooms(room: str) -> Iterator[tuple[str, str]]:
    """(file, room that it imports) of every import in a room, those within functions included."""
    for file in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                if (other := name.partition(".")[0]) in ROOMS and other != room:
                    yield file.relative_to(ROOT).as_posix(), other


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_those_below_it(room: str) -> None:
    line = next(index for index, rooms in enumerate(ORDER) if room in rooms)
    below = {other for rooms in ORDER[line + 1 :] for other in rooms}
    assert [(file, other) for file, other in imported_rooms(room) if other not in below] == []


def test_the_order_is_the_one_that_is_documented() -> None:
    documented = " → ".join(", ".join(rooms) for rooms in ORDER)
    assert f"{documented}.tick" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
