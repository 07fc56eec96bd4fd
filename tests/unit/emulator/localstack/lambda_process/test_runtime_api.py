"""The Runtime API for one process: nobody else gets an answer, and nothing that is sent does any harm."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue

import pytest

from emulator.localstack.lambda_process.runtime_api import (
    Answered,
    Event,
    InitFailed,
    Invocation,
    Ready,
    RuntimeApi,
)
from tests.support.waiting import wait_until

PREFIX = "/2018-06-01/runtime"
MAX_RESPONSE_BYTES = 1000

# Another program: it asks and tells all that it can, as a web page may too, and prints the status of each answer.
STRANGER = """
import http.client, sys
for method, path in [("GET", "invocation/next"), ("POST", "invocation/id-1/response"),
                     ("POST", "invocation/id-1/error"), ("POST", "init/error")]:
    connection = http.client.HTTPConnection(sys.argv[1], timeout=10)
    body = None if method == "GET" else "stolen"
    connection.request(method, "/2018-06-01/runtime/" + path, body, {"Origin": "http://evil.example"})
    print(connection.getresponse().status)
"""


@dataclass(frozen=True)
class Api:
    """The API, open to this very process, and the events that it told."""

    api: RuntimeApi
    events: "SimpleQueue[Event]"

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, str]:
        """Status, body and request id of the answer."""
        with contextlib.closing(http.client.HTTPConnection(self.api.address, timeout=10)) as connection:
            connection.request(method, f"{PREFIX}/{path}", body)
            response = connection.getresponse()
            return response.status, response.read(), response.getheader("Lambda-Runtime-Aws-Request-Id", "")

    def refused(self, path: str, *, method: str = "POST") -> tuple[int, str]:
        """Status and error type of the answer."""
        status, body, _ = self.call(method, path, b"{}" if method == "POST" else None)
        return status, json.loads(body)["errorType"]

    def work_on(self, request_id: str) -> None:
        """Have this process take an invocation."""
        self.api.hand_over(invocation(request_id))
        assert self.call("GET", "invocation/next") == (200, b"payload", request_id)
        assert self.events.get(timeout=10) == Ready()

    def told(self) -> list[Event]:
        events = []
        while not self.events.empty():
            events.append(self.events.get())
        return events


def invocation(request_id: str) -> Invocation:
    return Invocation(request_id, "arn:function", b"payload", "Root=1", 0)


@pytest.fixture
def own() -> Iterator[Api]:
    events: SimpleQueue[Event] = SimpleQueue()
    api = RuntimeApi(events.put, max_response_bytes=MAX_RESPONSE_BYTES)
    api.open_to(os.getpid())
    yield Api(api, events)
    api.close()


def test_another_process_is_refused_and_changes_nothing(own: Api) -> None:
    # given an invocation that this process works on
    own.work_on("id-1")

    # when another program calls everything
    statuses = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STRANGER, own.api.address],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    # then it learns nothing, and the answer is still this process's to give
    assert statuses.split() == ["403"] * 4
    assert own.told() == []
    assert own.call("POST", "invocation/id-1/response", b"mine")[0] == 202
    assert own.told() == [Answered("id-1", b"mine", is_error=False)]


def test_only_the_invocation_that_is_worked_on_can_be_answered_and_once(own: Api) -> None:
    for kind in ("response", "error"):
        assert own.refused(f"invocation/id-1/{kind}") == (400, "InvalidRequestID")  # before there is one
        own.work_on("id-1")
        assert own.refused(f"invocation/id-2/{kind}") == (400, "InvalidRequestID")
        assert own.refused(f"invocation//{kind}") == (400, "InvalidRequestID")
        assert own.call("POST", f"invocation/id-1/{kind}", b"{}")[0] == 202
        assert own.refused(f"invocation/id-1/{kind}") == (400, "InvalidRequestID")

        assert own.told() == [Answered("id-1", b"{}", is_error=kind == "error")]


def test_asked_again_before_the_answer_the_next_invocation_is_the_same(own: Api) -> None:
    own.work_on("id-1")

    assert own.call("GET", "invocation/next") == (200, b"payload", "id-1")

    assert own.told() == []


def test_only_one_can_wait_for_the_next_invocation(own: Api) -> None:
    with contextlib.closing(http.client.HTTPConnection(own.api.address, timeout=10)) as waiting:
        waiting.request("GET", f"{PREFIX}/invocation/next")
        assert own.events.get(timeout=10) == Ready()

        assert own.refused("invocation/next", method="GET") == (403, "InvalidStateTransition")

        own.api.hand_over(invocation("id-1"))
        assert waiting.getresponse().read() == b"payload"
    assert own.told() == []


def test_an_init_error_is_told_once_and_only_in_the_init_phase(own: Api) -> None:
    assert own.call("POST", "init/error", b"{}")[0] == 202
    assert own.refused("init/error") == (403, "InvalidStateTransition")
    assert own.refused("invocation/next", method="GET") == (403, "InvalidStateTransition")
    assert own.told() == [InitFailed(b"{}", "")]


def test_after_the_init_phase_there_is_no_init_error(own: Api) -> None:
    own.work_on("id-1")

    assert own.refused("init/error") == (403, "InvalidStateTransition")

    assert own.told() == []


@pytest.mark.parametrize(
    "request_text",
    [
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 1e3\r\n\r\n",
        "Content-Length: \u0661\r\n\r\n",
        f"Content-Length: {10**40}\r\n\r\n",
        "Content-Length: 99999999999999\r\n\r\nshort",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n",
        f"Transfer-Encoding: chunked\r\n\r\n{'f' * 5000}\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\nabc",
        f"Transfer-Encoding: chunked\r\n\r\n{'0' * 200_000}",
        "".join(f"H{number}: x\r\n" for number in range(200)) + "\r\n",
        "X" * 200_000,
    ],
    ids=range(13),
)
def test_a_malformed_request_is_refused_and_the_next_one_is_served(
    own: Api, request_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an invocation, and an eye on threads that die
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    own.work_on("id-1")

    # when something else than an answer comes
    with connect(own) as connection:
        with contextlib.suppress(ConnectionError):  # refused before all of it was sent
            connection.sendall(f"POST {PREFIX}/invocation/id-1/response HTTP/1.1\r\n{request_text}".encode())
            connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)

    # then it is refused and has no effect
    assert answer == b"" or int(answer.split()[1]) in {400, 431}
    assert died == []
    assert own.told() == []
    assert own.call("POST", "invocation/id-1/response", b"{}")[0] == 202


def test_of_a_body_that_is_too_large_nothing_is_kept(own: Api) -> None:
    # given an invocation
    own.work_on("id-1")
    pieces, size = 320, 65536

    # when a body far over the limit is sent in chunks
    tracemalloc.start()
    with connect(own) as connection:
        head = f"POST {PREFIX}/invocation/id-1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
        for _ in range(pieces):
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n")
        answered = own.events.get(timeout=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # then the invoker is told its size, and it was never held
    assert isinstance(answered, Answered)
    assert answered.is_error
    assert f"({pieces * size} bytes)" in json.loads(answered.payload)["errorMessage"]
    assert peak < 3_000_000


def test_closing_it_lets_a_waiting_process_go_and_leaves_no_thread() -> None:
    threads = threading.active_count()
    for opened in (True, False):
        api = RuntimeApi(lambda _: None, max_response_bytes=1)
        if opened:
            api.open_to(os.getpid())
        api.close()
    wait_until(lambda: threading.active_count() <= threads)


def connect(own: Api) -> socket.socket:
    host, _, port = own.api.address.partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionError):
        return connection.makefile("rb").read()
    return b""
