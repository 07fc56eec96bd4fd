"""The engines there are. The first is the default. One that also answers the health path of another comes after it."""

from collections.abc import Mapping

from emulator.compose import COMPOSE
from emulator.engine import Capability, Engine
from emulator.localstack.engine import LOCALSTACK
from emulator.ministack.engine import MINISTACK
from profiles.errors import CannotRunError

ENGINES: Mapping[str, Engine] = {engine.name: engine for engine in (LOCALSTACK, MINISTACK, COMPOSE)}


def engine_named(name: str) -> Engine:
    """The engine of that name. Raises `CannotRunError`."""
    try:
        return ENGINES[name]
    except KeyError:
        raise CannotRunError(f"there is no engine {name!r}; there are: {', '.join(ENGINES)}") from None


def with_capability(capability: Capability) -> list[str]:
    """The names of the engines that have it."""
    return [name for name, engine in ENGINES.items() if capability in engine.capabilities]
