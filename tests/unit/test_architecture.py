"""Imports point one way, as docs/architecture.md says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.pipeline import load

ROOT = Path(__file__).resolve().parents[2]
# A room may import from the lines below its own; rooms of one line don't know each other.
ORDER = (
    ("stockpipe",),
    ("console",),
    ("operations",),
    ("analytics", "producer"),
    ("bootstrap", "emulator"),
    ("terminal",),
    ("profiles",),
    ("runtime",),
)
ROOMS = [room for line in ORDER for room in line]
PIPELINES = ("pipeline", "examples/sensors")
PACKAGES = [*ROOMS, "pipeline", "examples"]


def imports(file: Path) -> Iterator[str]:
    """The packages of ours that a module imports, its own included; within functions, too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "" if not node.level else file.relative_to(ROOT).parts[0]]
        yield from (package for name in names if (package := name.partition(".")[0]) in PACKAGES)


def outside(folder: str, allowed: set[str]) -> list[tuple[str, str]]:
    """(file, package that it imports) of imports in a folder that aren't allowed."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    return [
        (file.relative_to(ROOT).as_posix(), other) for file in files for other in imports(file) if other not in allowed
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_those_below_it_and_no_pipeline(room: str) -> None:
    line = next(index for index, rooms in enumerate(ORDER) if room in rooms)
    below = {other for rooms in ORDER[line + 1 :] for other in rooms}

    assert outside(room, {room} | below) == []


@pytest.mark.parametrize("folder", PIPELINES)
def test_what_is_zipped_of_a_pipeline_imports_the_runtime_and_itself_only(folder: str) -> None:
    modules = load(ROOT / folder).module("declaration").FUNCTION_MODULES
    assert {"contract", "rules"} < set(modules)

    for module in modules:
        assert set(imports(ROOT / folder / f"{module}.py")) <= {folder.partition("/")[0], "runtime"}


@pytest.mark.parametrize("folder", PIPELINES)
def test_a_pipeline_imports_its_own_modules_relatively_so_that_its_folder_may_have_any_name(folder: str) -> None:
    for file in sorted((ROOT / folder).rglob("*.py")):
        absolute = [
            node.module
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and not node.level and node.module
        ]
        assert [name for name in absolute if name.partition(".")[0] in ("pipeline", "examples")] == [], file


def test_the_order_is_the_one_that_is_documented() -> None:
    documented = " → ".join(", ".join(rooms) for rooms in ORDER)
    assert documented in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
