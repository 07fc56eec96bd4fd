"""The Lambda Runtime API for one process: what AWS's runtime client polls and answers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

What the process tells becomes an event in the order it was told: `Ready` (it asked for the next invocation),
`InitFailed`, `Answered`. Every answer leaves in one write and without Nagle's algorithm: otherwise a delayed
acknowledgement costs each invocation 40 ms.
"""

import contextlib
import http.server
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from queue import SimpleQueue
from typing import Any, cast

from . import failures

_LOOPBACK = "127.0.0.1"
_PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Invocation:
    """One event for the function. `deadline_ms` is milliseconds since 1970."""

    request_id: str
    function_arn: str
    payload: bytes
    trace_id: str
    deadline_ms: int


@dataclass(frozen=True)
class Ready:
    """The process has finished its init phase, or the last invocation, and waits for the next."""


@dataclass(frozen=True)
class InitFailed:
    """The process could not load the function; `payload` says why, in the shape that the invoker gets."""

    payload: bytes
    error_type: str


@dataclass(frozen=True)
class Answered:
    """The function's result (`payload` is what it returned) or its error (`payload` describes the exception)."""

    request_id: str
    payload: bytes
    is_error: bool


Event = Ready | InitFailed | Answered


class RuntimeApi:
    """A server on a free loopback port; `tell` is called for each event, from the server's own threads."""

    def __init__(self, tell: Callable[[Event], None], *, max_response_bytes: int) -> None:
        self.tell = tell
        self.max_response_bytes = max_response_bytes
        self.invocations: SimpleQueue[Invocation | None] = SimpleQueue()
        self._closed = False
        self._listener = socket.create_server((_LOOPBACK, 0))
        self._port = self._listener.getsockname()[1]
        self.address = f"{_LOOPBACK}:{self._port}"
        threading.Thread(target=self._accept, name="lambda-runtime-api", daemon=True).start()

    def hand_over(self, invocation: Invocation) -> None:
        """Give the waiting process its next invocation."""
        self.invocations.put(invocation)

    def close(self) -> None:
        """Stop listening, and let go of a process that still waits."""
        self._closed = True
        self.invocations.put(None)
        # Closing a socket doesn't wake a thread that accepts on it; a connection does.
        with contextlib.suppress(OSError):
            socket.create_connection((_LOOPBACK, self._port), timeout=1).close()

    def _accept(self) -> None:
        with self._listener:
            while True:
                connection, address = self._listener.accept()
                if self._closed:
                    connection.close()
                    return
                threading.Thread(
                    target=self._serve, args=(connection, address), name="lambda-runtime-api", daemon=True
                ).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        # The process may be killed at any moment: then its connection just ends.
        with connection, contextlib.suppress(OSError):
            _Handler(connection, address, cast(Any, self))


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of the runtime client; it sends one request after the other on it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: status line, headers and body leave together

    def do_GET(self) -> None:
        """`GET …/invocation/next` blocks until there is an invocation."""
        if self.path != f"{_PREFIX}invocation/next":
            self._reply(HTTPStatus.NOT_FOUND, b"{}")
            return
        api = self._api
        api.tell(Ready())
        invocation = api.invocations.get()
        if invocation is None:
            self.close_connection = True
            return
        self._reply(
            HTTPStatus.OK,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        """`POST …/init/error`, `…/invocation/<id>/response` and `…/invocation/<id>/error`."""
        api = self._api
        body = self._body()
        match self.path.removeprefix(_PREFIX).split("/"):
            case ["init", "error"]:
                api.tell(InitFailed(body, self.headers.get("Lambda-Runtime-Function-Error-Type", "")))
            case ["invocation", request_id, "response"] if len(body) > api.max_response_bytes:
                too_large = failures.response_too_large(len(body), api.max_response_bytes)
                # AWS documents 413 here, on which its Python client ends with a traceback; staying warm is kinder.
                api.tell(Answered(request_id, too_large, is_error=True))
            case ["invocation", request_id, "response"]:
                api.tell(Answered(request_id, body, is_error=False))
            case ["invocation", request_id, "error"]:
                api.tell(Answered(request_id, body, is_error=True))
            case _:
                self._reply(HTTPStatus.NOT_FOUND, b"{}")
                return
        self._reply(HTTPStatus.ACCEPTED, b'{"status":"OK"}')

    @property
    def _api(self) -> RuntimeApi:
        return cast(RuntimeApi, self.server)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _reply(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the base class would write a line to standard error for each request."""
