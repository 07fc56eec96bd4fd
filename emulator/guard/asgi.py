"""The guard as ASGI middleware. https://asgi.readthedocs.io/en/latest/specs/www.html"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from .rules import Rules, Values, values_in

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


class Guard:
    """Refuses requests by `rules`. Only this middleware sets CORS headers."""

    def __init__(self, app: App, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        values = values_in(scope["headers"])
        path = scope.get("raw_path") or scope["path"].encode()
        query = scope.get("query_string") or b""
        target = (path + b"?" + query if query else path).decode("latin-1")
        reason = self._rules.refusal(
            scope.get("method", "GET"), target, values, secure=scope.get("scheme") in ("https", "wss")
        )
        if reason is None:
            await self._app(scope, receive, _with_cors(send, _cors_headers(self._rules.allowed_origin(values), values)))
        else:
            # hypercorn and uvicorn have this extension, so that a refused handshake gets a whole answer, too.
            prefix = "http" if scope["type"] == "http" else "websocket.http"
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
            await send({"type": f"{prefix}.response.start", "status": 403, "headers": headers})
            await send({"type": f"{prefix}.response.body", "body": f"{reason}\n".encode()})


def _cors_headers(origin: str | None, values: Values) -> list[tuple[bytes, bytes]]:
    if origin is None:
        return []
    headers = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"Origin"),
    ]
    if values("access-control-request-method"):
        asked = ", ".join(values("access-control-request-headers"))
        headers += [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", asked.encode("latin-1")),
        ]
        if values("access-control-request-private-network"):
            headers.append((b"access-control-allow-private-network", b"true"))
    return headers


def _with_cors(send: Send, cors: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [one for one in message.get("headers", ()) if not one[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": own + cors}
        await send(message)

    return send_with_cors
