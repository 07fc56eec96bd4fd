"""Web pages of other sites can't talk to the console: the rules are those of the engines (`emulator.guard.rules`).

They can't show the console in a frame, either.
"""

import re
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.guard import asgi
from emulator.guard.rules import Rules

# A person may open every path: the console changes nothing on a GET.
RULES: Final = Rules(re.compile(r".*", re.DOTALL), "Type the address of the console, or copy it from the terminal")
# NiceGUI's page has inline scripts and evaluates options, so scripts can't be narrowed further than to this server.
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard(asgi.Guard):
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        async def with_headers(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, _with_headers(send))

        super().__init__(with_headers, RULES)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return send_with_headers
