"""Starts LocalStack so that it listens on 127.0.0.1 only. Run by LocalStack's own Python, not by ours.

LocalStack 4.14 takes the port from GATEWAY_LISTEN and leaves its IPv4 host out (`runtime/server/twisted.py`: "TODO:
interface = host?"), so it would listen on every interface of the machine.
"""

from typing import Any

from localstack.runtime.main import main  # type: ignore[import-not-found]
from twisted.internet import endpoints  # type: ignore[import-not-found]


class LoopbackServerEndpoint(endpoints.TCP4ServerEndpoint):  # type: ignore[misc]
    """Twisted's endpoint with another default."""

    def __init__(self, reactor: Any, port: int, backlog: int = 50, interface: str = "127.0.0.1") -> None:
        super().__init__(reactor, port, backlog, interface)


if __name__ == "__main__":
    endpoints.TCP4ServerEndpoint = LoopbackServerEndpoint
    main()
