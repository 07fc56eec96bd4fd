"""The guard as middleware: what reaches the application, and which CORS headers an answer has."""

import re
from typing import Any

from emulator.guard.asgi import Guard
from emulator.guard.rules import Rules
from tests.support.coroutines import run

RULES = Rules(re.compile("/page"), "hint", origins=frozenset({"https://app.example"}))
LOCAL = (b"host", b"localhost:1")


def answer(*headers: tuple[bytes, bytes], kind: str = "http", **scope: Any) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the application was called, and what was sent."""
    called, sent = [], []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        called.append(True)
        own = [(b"Access-Control-Allow-Origin", b"*"), (b"access-control-max-age", b"86400"), (b"x-own", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": own})

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    whole = {"type": kind, "path": "/", "headers": list(headers), "scheme": "http", **scope}
    run(Guard(application, RULES)(whole, receive, send))
    return bool(called), sent


def test_what_is_refused_never_reaches_the_application() -> None:
    for kind, prefix in (("http", "http"), ("websocket", "websocket.http")):
        called, sent = answer((b"Host", b"evil.example"), kind=kind)

        assert not called
        assert [message["type"] for message in sent] == [f"{prefix}.response.start", f"{prefix}.response.body"]
        assert sent[0]["status"] == 403
        assert sent[1]["body"].startswith(b"refused: ")
        assert sent[1]["body"].count(b"\n") == 1
        assert not [name for name, _ in sent[0]["headers"] if name.startswith(b"access-control")]


def test_the_origin_of_a_websocket_is_an_http_one() -> None:
    upgrade = (b"upgrade", b"WebSocket")
    assert answer(LOCAL, upgrade, (b"origin", b"http://localhost:1"), kind="websocket", scheme="ws")[0]
    assert not answer(LOCAL, upgrade, (b"origin", b"http://localhost:2"), kind="websocket", scheme="ws")[0]


def test_the_request_line_is_judged_as_it_was_sent() -> None:
    assert answer(LOCAL, path="/page", raw_path=b"/p%61ge", method="GET", query_string=b"")[0] is not False
    typed = (b"sec-fetch-site", b"none")
    assert answer(LOCAL, typed, path="/page", raw_path=b"/page", query_string=b"x=1")[0]
    assert not answer(LOCAL, typed, path="/page", raw_path=b"/p%61ge")[0]
    assert not answer(LOCAL, typed, path="/page", raw_path=b"/page", query_string=b"Action=x")[0]
    assert not answer(LOCAL, path="http://evil.example/", raw_path=b"http://evil.example/")[0]


def test_nobody_gets_the_applications_own_cors_headers() -> None:
    for headers in ((), ((b"origin", b"http://localhost:1"), (b"sec-fetch-site", b"same-origin"))):
        called, sent = answer(LOCAL, *headers)
        assert called
        assert sent[0]["headers"] == [(b"x-own", b"1")]


def test_an_allowed_origin_gets_cors_headers_and_permission_in_a_preflight() -> None:
    origin = (b"origin", b"https://app.example")

    _, (plain,) = answer(LOCAL, origin)
    _, (preflight,) = answer(
        LOCAL,
        origin,
        (b"access-control-request-method", b"POST"),
        (b"access-control-request-headers", b"authorization,x-amz-target"),
        (b"access-control-request-private-network", b"true"),
    )

    assert dict(plain["headers"])[b"access-control-allow-origin"] == b"https://app.example"
    assert dict(plain["headers"])[b"vary"] == b"Origin"
    given = dict(preflight["headers"])
    assert given[b"access-control-allow-headers"] == b"authorization,x-amz-target"
    assert b"POST" in given[b"access-control-allow-methods"]
    assert given[b"access-control-allow-private-network"] == b"true"
