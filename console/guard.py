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


def guarded(app: ASGIApp) -> ASGIApp:
    """ASGI middleware around the whole application."""

    async def with_headers(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await app(scope, receive, send_with_headers)

    return asgi.Guard(with_headers, RULES)
