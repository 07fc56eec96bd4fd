"""What an engine is: one way to have AWS on this machine, behind one contract.

On a port, an engine goes through these states::

    free ──start──▶ starting ──answers──▶ running ──stop──▶ free
                       │ fails               │ ends by itself
                       ▼                     ▼
                     free                  gone ──stop──▶ free, ──start──▶ starting

A start that fails at any point leaves nothing but the log. The rest of the project uses `emulator.lifecycle`, which
finds engines by name and calls them while it holds the lock of the port. Engines differ by their capabilities; nothing
outside an engine's own module depends on its name. To add one: its module, its lock, and a line in `emulator.engines`.
"""

import http.client
import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulator.guard.rules import is_origin
from profiles.errors import CannotRunError

DEFAULT_PORT = 4566

Observer = Callable[[str], None]


def silent(_text: str) -> None:
    """The observer of those who need no progress."""


class Capability(Enum):
    """What some engines can do. The value completes a sentence about an engine that can't."""

    ENFORCE_IAM = "never enforces IAM"
    SERVE_TLS = "is started without TLS here"
    ALLOW_ORIGINS = "can't be opened to web pages"
    CLOUDFORMATION = "has no CloudFormation"
    LIMIT_FUNCTIONS = "sets functions no limits"
    EXTRA_VARIABLES = "takes no further variables"
    ANY_PYTHON = "needs a Python of one version"
    NO_DOCKER = "needs Docker"


class MissingError(CannotRunError):
    """This machine lacks what the engine needs; engines with `capability` work without it."""

    def __init__(self, text: str, capability: Capability) -> None:
        super().__init__(text)
        self.capability = capability


class PortTakenError(CannotRunError):
    """Something else uses the port; the text says what the system answered."""


@dataclass(frozen=True)
class Options:
    """What a user may ask of an engine. Raises `CannotRunError` for an invalid origin.

    `extra_environment` overrides the variables of the engine's process.
    """

    enforce_iam: bool = False
    tls: bool = False
    allowed_origins: tuple[str, ...] = ()
    cloudformation: bool = False
    function_limits: bool = True
    extra_environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for origin in self.allowed_origins:
            if not is_origin(origin):
                raise CannotRunError(f"not an origin: {origin!r}. Give scheme and host, as in https://app.example:8443")

    def needs(self) -> Iterator[tuple[str, Capability]]:
        """Each option that was given, and the capability that it needs."""
        for given, option, capability in (
            (self.enforce_iam, "--enforce-iam", Capability.ENFORCE_IAM),
            (self.tls, "--tls", Capability.SERVE_TLS),
            (self.allowed_origins, "--allow-origin", Capability.ALLOW_ORIGINS),
            (self.cloudformation, "--cloudformation", Capability.CLOUDFORMATION),
            (not self.function_limits, "--no-function-limits", Capability.LIMIT_FUNCTIONS),
            (self.extra_environment, "extra_environment", Capability.EXTRA_VARIABLES),
        ):
            if given:
                yield option, capability


DEFAULTS = Options()


@dataclass(frozen=True)
class Status:
    """What is on a port.

    `state`: starting; running; gone, if it ended by itself; damaged, if its record can't be read; foreign, if it was
    not started by stockpipe.
    """

    port: int
    state: str
    engine: str
    version: str
    endpoint_url: str
    pid: int | None = None
    log_path: Path | None = None


@dataclass(frozen=True)
class Running(Status):
    """An engine that answers. `already_running`: it did before. `certificate_path`: what TLS clients have to trust.

    `container` is the name of the container, where it runs in one.
    """

    already_running: bool = False
    certificate_path: Path | None = None
    container: str = ""


@dataclass(frozen=True)
class Identity:
    """An engine that has answered."""

    engine: str
    version: str

    def __str__(self) -> str:
        return f"{self.engine} {self.version}".strip()


@dataclass(frozen=True, kw_only=True)
class Engine(ABC):
    """One emulator, and one way to run it. `health_path` is how it is recognised.

    `title` and `summary` are for a person; the summary completes a sentence that starts with the name.
    """

    name: str
    title: str
    version: str
    summary: str
    capabilities: frozenset[Capability]
    health_path: str = ""

    @property
    def full_title(self) -> str:
        """Name and version, for a person."""
        return f"{self.title} {self.version}"

    @abstractmethod
    def require(self, observer: Observer = silent, *, fetch: bool = True) -> None:
        """Raise `MissingError` where this machine lacks what it needs. `fetch`: missing parts may be downloaded."""

    @abstractmethod
    def start(self, port: int, options: Options, observer: Observer) -> Running:
        """Start it on loopback `port` and return when it answers; set it up first where that is needed.

        If it already runs there with the same options, that is success, once it answers. Raises `MissingError`,
        `PortTakenError`, or `CannotRunError` with the last lines of the log.
        """

    @abstractmethod
    def stop(self, port: int, observer: Observer) -> bool:
        """Remove all processes and data of what `start` started there; False if there is nothing of that kind.

        Raises `CannotRunError` if something is left; it can be called again.
        """

    @abstractmethod
    def status(self) -> list[Status]:
        """What was started and not stopped."""

    @abstractmethod
    def logs(self, port: int, *, follow: bool) -> Iterator[str] | None:
        """The lines that it printed there, with `follow` further ones until it ends; None if it was never there."""

    def identify(self, endpoint_url: str, timeout_seconds: float = 2) -> Identity | None:
        """What it says of itself, if it answers at `endpoint_url`."""
        try:
            health = _get_json(endpoint_url, self.health_path, timeout_seconds) if self.health_path else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        if isinstance(health, dict) and isinstance(health.get("services"), dict):
            return Identity(self.name, str(health.get("version") or ""))
        return None


def _get_json(endpoint_url: str, path: str, timeout_seconds: float) -> Any:
    """What a GET answers; no proxy is used. The certificate isn't checked: nothing secret is sent."""
    url = urlsplit(endpoint_url)
    connect: Callable[..., http.client.HTTPConnection] = http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connect = partial(http.client.HTTPSConnection, context=context)
    with closing(connect(url.hostname or "", url.port, timeout=timeout_seconds)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return json.loads(response.read()) if response.status == 200 else None
