"""LocalStack's web server with the guard in it: `GATEWAY_SERVER=guarded`. Part of LocalStack's process.

It listens only on the addresses of GATEWAY_LISTEN. LocalStack 4.14's own server takes the port of an IPv4 address
and listens on every interface (`localstack/runtime/server/twisted.py`: "TODO: interface = host?").
"""

import os
import re
from typing import Any, Final

from localstack.aws.serving.twisted import TLSMultiplexerFactory
from localstack.runtime.server.twisted import TwistedRuntimeServer
from rolo.serving.twisted import TwistedGateway
from twisted.internet import reactor, ssl
from twisted.web.resource import Resource

from .rules import Rules

# These only show things. Pages with scripts from other servers (swagger, cloudformation/deploy) are not listed.
_PAGES: Final = re.compile(
    r"/_localstack/(health|info|init|plugins)|/_aws/(ses|sqs/messages(/[^/]+){0,3}|sns/sms-messages|lambda/runtimes)"
)


class GuardedRuntimeServer(TwistedRuntimeServer):
    """LocalStack's server with another `register`."""

    def register(self, gateway: Any, listen: Any, ssl_creds: tuple[str, str] | None = None) -> None:
        """Listen for `gateway` on every address of `listen`. Raises `CannotListenError`."""
        protocol_factory = _GuardedGateway(gateway)
        if ssl_creds:
            certificate, key = ssl_creds
            context_factory = ssl.DefaultOpenSSLContextFactory(key, certificate)
            context_factory.getContext().use_certificate_chain_file(certificate)
            protocol_factory = TLSMultiplexerFactory(context_factory, False, protocol_factory)
        for address in listen:
            reactor.listenTCP(address.port, protocol_factory, interface=address.host)


class _GuardedGateway(TwistedGateway):
    """Twisted asks it for the resource of each request, including HTTP/2 streams and WebSocket handshakes."""

    def __init__(self, gateway: Any) -> None:
        super().__init__(gateway)
        self._rules = Rules.of_engine(_PAGES, os.environ)

    def getResourceFor(self, request: Any) -> Any:  # noqa: N802 - Twisted's name
        """The gateway, or the resource that answers 403."""
        headers = request.requestHeaders
        reason = self._rules.refusal(
            request.method.decode("latin-1"),
            request.uri.decode("latin-1"),
            lambda name: [value.decode("latin-1") for value in headers.getRawHeaders(name.encode(), ())],
            secure=request.isSecure(),
        )
        return _Refusal(reason) if reason else super().getResourceFor(request)


class _Refusal(Resource):
    """Answers 403 and one line."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, reason: str) -> None:
        super().__init__()
        self._reason = reason

    def render(self, request: Any) -> bytes:
        """The answer to any method."""
        request.setResponseCode(403)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        request.setHeader(b"x-content-type-options", b"nosniff")
        return f"{self._reason}\n".encode()
