"""The Lambda Runtime API for one process: what AWS's runtime client polls and answers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

Each request of the process becomes an event, in order: `Ready` (it asked for the next invocation), `InitFailed`,
`Answered`. A request that isn't valid in the current state is refused, with the status and type of AWS's own emulator,
and doesn't become an event.

Only that process gets an answer: the operating system is asked which process has the connection. Other programs and web
pages are refused, whatever they send. (A token in the address would need a client that takes a path after the port. The
part of AWS's client that reports a failed init phase uses Python's `http.client`, which takes none.)

Every answer leaves in one write and without Nagle's algorithm: otherwise a delayed acknowledgement costs each
invocation 40 ms.
"""

import contextlib
import http.server
import itertools
import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from queue import SimpleQueue
from typing import Any, cast

import psutil

from . import messages

_LOOPBACK = "127.0.0.1"
_PREFIX = "/2018-06-01/runtime/"
_LINE_BYTES = 65536
_MOST_DIGITS = 16
_PATIENCE_SECONDS = 1.0
_POLL_SECONDS = 0.2  # for how long it may listen after `close`
_FOREIGN = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 48\r\nConnection: close\r\n\r\n"
    b"This Runtime API answers its own function only.\n"
)


@dataclass(frozen=True)
class Invocation:
    """One event for the function. `deadline_ms`, in milliseconds since 1970, is set when it is handed over."""

    request_id: str
    function_arn: str
    payload: bytes
    trace_id: str
    deadline_ms: int = 0


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


class RefusedError(Exception):
    """The request isn't valid in the current state; `status` and `type` are those of AWS's emulator."""

    def __init__(self, status: HTTPStatus, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.type = error_type


class RuntimeApi(socketserver.ThreadingTCPServer):
    """A server on a free loopback port; `tell` is called for each event, from the server's own threads.

    It answers once `open_to` has said which process it is for.
    """

    daemon_threads = True

    def __init__(self, tell: Callable[[Event], None], *, max_response_bytes: int) -> None:
        super().__init__((_LOOPBACK, 0), _Handler)
        self.address = f"{_LOOPBACK}:{self.server_address[1]}"
        self.max_response_bytes = max_response_bytes
        self._tell = tell
        self._invocations: SimpleQueue[Invocation | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._in_init = True
        self._is_waiting = False
        self._current: Invocation | None = None
        self._process: int | None = None

    def open_to(self, process: int) -> None:
        """Answer only the process with this pid."""
        self._process = process
        threading.Thread(target=self._serve, name="lambda-runtime-api", daemon=True).start()

    def hand_over(self, invocation: Invocation) -> None:
        """Give the waiting process its next invocation."""
        self._invocations.put(invocation)

    def close(self) -> None:
        """Stop listening, and end the connection of a process that still waits. Returns at once."""
        self._invocations.put(None)
        if self._process is None:
            self.server_close()
        else:
            threading.Thread(target=self.shutdown, name="lambda-runtime-api", daemon=True).start()

    def next(self) -> Invocation | None:
        """Wait for an invocation; None when this is closed. Until that one has an outcome, it is returned again."""
        with self._lock:
            if self._current:
                return self._current
            self._refuse_if(self._is_waiting, "Ready")
            self._in_init, self._is_waiting = False, True
        self._tell(Ready())
        invocation = self._invocations.get()
        with self._lock:
            self._is_waiting, self._current = False, invocation
        return invocation

    def fail_init(self, failed: InitFailed) -> None:
        """The init phase has failed. Raises `RefusedError` if the init phase is over."""
        with self._lock:
            self._refuse_if(not self._in_init, "InitError")
            self._in_init, self._is_waiting = False, True  # no further request is valid
        self._tell(failed)

    def answer(self, answered: Answered) -> None:
        """The outcome of the current invocation. Raises `RefusedError` for any other."""
        with self._lock:
            if self._current is None or self._current.request_id != answered.request_id:
                raise RefusedError(HTTPStatus.BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
            self._current = None
        self._tell(answered)

    def _refuse_if(self, not_allowed: bool, state: str) -> None:
        if not_allowed:
            message = f"State transition to {state} failed for runtime. Error: State transition is not allowed"
            raise RefusedError(HTTPStatus.FORBIDDEN, "InvalidStateTransition", message)

    def _serve(self) -> None:
        with self:
            self.serve_forever(_POLL_SECONDS)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection. The process may be killed at any moment: then its connection just ends."""
        with contextlib.suppress(OSError):
            if self._is_of_the_process(client_address):
                super().finish_request(request, client_address)
                return
            request.settimeout(_PATIENCE_SECONDS)
            request.recv(_LINE_BYTES)
            request.sendall(_FOREIGN)

    def _is_of_the_process(self, address: tuple[str, int]) -> bool:
        try:
            connections = psutil.Process(self._process).net_connections("tcp4")
        except psutil.Error:
            return False
        return any(found.laddr == address and found.raddr == self.server_address for found in connections)


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
        try:
            invocation = self._api.next()
        except RefusedError as refused:
            self._refuse(refused)
            return
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
        try:
            body, size = self._body()
            # AWS documents 413 here, on which its Python client ends with a traceback; staying warm is kinder.
            is_too_large = size > api.max_response_bytes
            if is_too_large:
                body = messages.response_too_large(size, api.max_response_bytes)
            match self.path.removeprefix(_PREFIX).split("/"):
                case ["init", "error"]:
                    api.fail_init(InitFailed(body, self.headers.get("Lambda-Runtime-Function-Error-Type", "")))
                case ["invocation", request_id, "response" | "error" as kind]:
                    api.answer(Answered(request_id, body, is_error=is_too_large or kind == "error"))
                case _:
                    self._reply(HTTPStatus.NOT_FOUND, b"{}")
                    return
        except RefusedError as refused:
            self._refuse(refused)
            return
        self._reply(HTTPStatus.ACCEPTED, b'{"status":"OK"}')

    @property
    def _api(self) -> RuntimeApi:
        return cast(RuntimeApi, self.server)

    def _body(self) -> tuple[bytes, int]:
        """The body and its size; of a body over the limit, only that much is kept. Raises `RefusedError`."""
        kept, size = bytearray(), 0
        for end in itertools.accumulate(self._lengths()):
            while size < end:
                piece = self.rfile.read(min(end - size, _LINE_BYTES))
                if not piece:
                    raise self._malformed("HTTP request detected as truncated")
                size += len(piece)
                if size <= self._api.max_response_bytes:
                    kept += piece
        return bytes(kept), size

    def _lengths(self) -> Iterator[int]:
        """The length of each part of the body that is next in the stream."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield self._number(self.headers.get("Content-Length", "0"), 10)
            return
        while length := self._number(self.rfile.readline(_LINE_BYTES).split(b";")[0].decode("latin-1"), 16):
            yield length
            self.rfile.readline(_LINE_BYTES)
        while self.rfile.readline(_LINE_BYTES).strip():
            pass

    def _number(self, text: str, base: int) -> int:
        digits = text.strip()
        if not digits or len(digits) > _MOST_DIGITS or not set(digits.lower()) <= set("0123456789abcdef"[:base]):
            raise self._malformed("HTTP request has no valid length")
        return int(digits, base)

    def _malformed(self, message: str) -> RefusedError:
        self.close_connection = True
        return RefusedError(HTTPStatus.BAD_REQUEST, "InvalidRequest", message)

    def _refuse(self, refused: RefusedError) -> None:
        body = json.dumps({"errorMessage": str(refused), "errorType": refused.type}).encode()
        self._reply(refused.status, body)

    def _reply(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing; the base class writes a line to standard error for each request."""
