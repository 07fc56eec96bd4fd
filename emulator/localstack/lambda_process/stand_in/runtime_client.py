"""Stands in for awslambdaric's compiled module of this name, which exists on Linux only.

It is put on a function's PYTHONPATH only where its interpreter has no compiled one.
"""

import http.client
import os
import socket

_PREFIX = "/2018-06-01/runtime/invocation/"

_connection: http.client.HTTPConnection | None = None
_user_agent = ""


def initialize_client(user_agent: str) -> None:
    """Called once, when awslambdaric is imported."""
    global _user_agent  # noqa: PLW0603
    _user_agent = user_agent


def next() -> tuple[bytes, dict[str, str]]:  # noqa: A001
    """Wait for an invocation; returns its payload and headers."""
    return _call("GET", f"{_PREFIX}next", None, {}, 200)


def post_invocation_result(
    invoke_id: str, body: bytes, content_type: str = "application/json", invocation_id: str | None = None
) -> None:
    """Send what the function returned."""
    _call("POST", f"{_PREFIX}{invoke_id}/response", body, _headers(content_type, invocation_id), 202)


def post_error(invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
    """Send the description of an exception."""
    headers = _headers("application/json", invocation_id)
    if xray_fault:
        headers["Lambda-Runtime-Function-XRay-Error-Cause"] = xray_fault
    _call("POST", f"{_PREFIX}{invoke_id}/error", error.encode(), headers, 202)


def _headers(content_type: str, invocation_id: str | None) -> dict[str, str]:
    headers = {"Content-Type": content_type}
    if invocation_id:
        headers["Lambda-Runtime-Invocation-Id"] = invocation_id
    return headers


def _call(
    method: str, path: str, body: bytes | None, headers: dict[str, str], expected: int
) -> tuple[bytes, dict[str, str]]:
    global _connection  # noqa: PLW0603
    if _connection is None:
        _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        _connection.connect()
        _connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _connection.request(method, path, body, {"User-Agent": _user_agent, **headers})
    response = _connection.getresponse()
    answer = response.read()
    if response.status != expected:
        raise RuntimeError(f"{method} {path}: the Runtime API answered {response.status}")
    return answer, dict(response.getheaders())
