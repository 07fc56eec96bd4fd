"""The entry point by which LocalStack finds the server: `GATEWAY_SERVER=guarded`."""

from typing import Any

from localstack.runtime.server.core import RuntimeServerPlugin


class GuardedRuntimeServerPlugin(RuntimeServerPlugin):
    """Named in the package's entry points; Twisted's reactor is imported when LocalStack starts."""

    name = "guarded"

    def load(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """The server."""
        from .runtime_server import GuardedRuntimeServer  # noqa: PLC0415

        return GuardedRuntimeServer()
