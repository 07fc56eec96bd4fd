"""The loopback addresses of this machine: `localhost` means 127.0.0.1, and on most machines also ::1."""

import socket
from functools import cache

from emulator.engine import PortTakenError


@cache
def hosts() -> tuple[str, ...]:
    """127.0.0.1, and ::1 where the machine has it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ("127.0.0.1",)
    return ("127.0.0.1", "::1")


def listens(host: str, port: int) -> bool:
    """Whether a process accepts connections there."""
    with socket.socket(_family(host)) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def require_free(port: int) -> None:
    """Raise `PortTakenError` if one of the addresses is in use: a client of `localhost` may choose any of them."""
    for host in hosts():
        if reason := why_taken(host, port):
            raise PortTakenError(reason)


def why_taken(host: str, port: int) -> str | None:
    """Why nothing can listen on `port` of the loopback address `host`, or None if it can.

    It connects and binds: if a process listens on all interfaces, macOS lets another one bind to loopback.
    """
    if listens(host, port):
        return "somebody listens there"
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None
