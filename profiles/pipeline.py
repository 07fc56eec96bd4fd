"""Loads a pipeline by the path of its folder, which has these faces:

    contract.py      CONTRACT: what a record is
    rules.py         RULES, Settings: when records are alerted, and the function's settings
    declaration.py   NAMES, FUNCTION_MODULES, declare(names, settings, code): which resources exist
    source.py        where simulated and shipped records come from
    sql/             named queries, and the tables' definitions

The kit imports no pipeline: it gets one as a value. A pipeline's modules import each other relatively (`from .contract
import …`), so the folder's name doesn't matter, and it may be called like one of our own rooms.
"""

import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from profiles.errors import CannotRunError
from profiles.names import ResourceNames
from runtime.alerts import Rule
from runtime.contract import Contract
from runtime.settings import FunctionSettings

VARIABLE = "STOCKPIPE_PIPELINE"
_DEFAULT = Path(__file__).resolve().parents[1] / "pipeline"
_FACES = ("contract.py", "rules.py", "declaration.py", "source.py", "sql")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline. Its modules are imported when they are needed: `package` is the name that the folder has as one."""

    folder: Path
    package: str

    @cached_property
    def contract(self) -> Contract[Any]:
        """What a record is."""
        return cast(Contract[Any], self.module("contract").CONTRACT)

    @cached_property
    def rules(self) -> tuple[Rule[Any, Any], ...]:
        """When records are alerted."""
        return cast(tuple[Rule[Any, Any], ...], self.module("rules").RULES)

    @cached_property
    def settings(self) -> type[FunctionSettings]:
        """The function's settings."""
        return cast(type[FunctionSettings], self.module("rules").Settings)

    @cached_property
    def names(self) -> ResourceNames:
        """What its resources are called."""
        return cast(ResourceNames, self.module("declaration").NAMES)

    @property
    def is_default(self) -> bool:
        """Whether it is the one that is taken where none is named."""
        return self.folder == _DEFAULT

    @property
    def sql(self) -> Path:
        """The folder of named queries and table definitions."""
        return self.folder / "sql"

    def module(self, name: str) -> ModuleType:
        """One of its modules. Raises what importing it raises."""
        return importlib.import_module(f"{self.package}.{name}")


def load(folder: Path | str | None = None) -> Pipeline:
    """The pipeline in a folder; by default the one that `STOCKPIPE_PIPELINE` names, else the stock ticks.

    Raises `CannotRunError` if the folder is not a pipeline.
    """
    path = Path(folder or os.environ.get(VARIABLE) or _DEFAULT).resolve()
    missing = [face for face in _FACES if not (path / face).exists()]
    if missing:
        raise CannotRunError(f"{path} is not a pipeline's folder: it has no {', '.join(missing)}")
    return Pipeline(path, _package(path))


def _package(path: Path) -> str:
    """The name under which the folder can be imported: a private one, unless Python knows this very folder by name."""
    found = importlib.util.find_spec(path.name) if path.name.isidentifier() else None
    if found and found.origin and Path(found.origin).resolve().parent == path:
        return path.name
    private = f"stockpipe_pipeline_{sha256(os.fsencode(path)).hexdigest()[:12]}"
    if private not in sys.modules:
        spec = ModuleSpec(private, None, is_package=True)  # like a folder without an __init__.py
        spec.submodule_search_locations = [str(path)]
        sys.modules[private] = importlib.util.module_from_spec(spec)
    return private
