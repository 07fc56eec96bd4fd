"""Only this machine's own pages may talk to the console.

A page of another site can make a browser send requests to 127.0.0.1: directly (cross-site request, WebSocket), or
under a host name of its own that it lets point here (DNS rebinding). Three rules stop both before anything else sees
them: the host must be a loopback name; an origin, where the browser tells one, must be this very server; a WebSocket
must tell one. And no other page may show this one in a frame.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# Same-origin pages, and the user typing the address. What scripts of other sites send says `cross-site` or `same-site`.
# https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
_FETCH_SITES: Final = (None, "same-origin", "none")
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


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on and add the headers."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        reason = refusal(Headers(scope=scope), is_websocket=scope["type"] == "websocket")
        if reason is None:
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(reason, status_code=403)(scope, receive, send)


def refusal(headers: Mapping[str, str], *, is_websocket: bool) -> str | None:
    """Why a request with these headers is refused, or None. Names of headers are lower-case."""
    host = headers.get("host", "")
    if _host_name(f"//{host}") not in _LOOPBACK:
        return "the console answers to loopback names only"
    origin = headers.get("origin")
    if origin is None and is_websocket:
        return "a WebSocket without an origin"
    if origin is not None and origin != f"http://{host}":
        return "a request from another site"
    if headers.get("sec-fetch-site") not in _FETCH_SITES and headers.get("sec-fetch-mode") != "navigate":
        return "a request from another site"
    return None


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return send_with_headers
