"""Serves ministack on the addresses of GATEWAY_LISTEN, behind the guard. Run by ministack's own Python, not by ours.

ministack's own command can't have middleware, and also listens on port 443 if it is allowed to.
"""

import asyncio
import os
import re
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

# These only show things.
_PAGES = re.compile(r"/_ministack/(health|ready|(ses|sqs)/messages|sns/sms-messages)|/_localstack/health")


def _guard(module: str) -> ModuleType:
    """A module of our package `guard`, loaded from its folder: nothing else of ours may be on ministack's path."""
    folder = Path(__file__).parents[1] / "guard"
    spec = spec_from_file_location("guard", folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None  # noqa: S101 - None only for a file of unknown kind
    sys.modules.setdefault("guard", module_from_spec(spec))
    return import_module(f"guard.{module}")


def main() -> None:
    """Serve until SIGTERM."""
    config = Config.from_object("ministack.core.hypercorn_conf")
    config.bind = os.environ["GATEWAY_LISTEN"].split(",")
    config.keep_alive_timeout = 75
    rules = _guard("rules").Rules.of_engine(_PAGES, os.environ)
    asyncio.run(serve(_guard("asgi").Guard(app, rules), config))


if __name__ == "__main__":
    main()
