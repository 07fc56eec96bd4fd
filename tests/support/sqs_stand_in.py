"""A local HTTP server that answers as SQS does, or as it is told: to try what a real boto3 client makes of it."""

import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Entries = list[dict[str, str]]

_IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::000000000000:root</Arn><UserId>root</UserId><Account>000000000000</Account>"
    b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


def accepted(entries: Entries) -> dict[str, Any]:
    """What SQS answers when it accepts all entries."""
    return {
        "Successful": [
            {
                "Id": entry["Id"],
                "MessageId": f"m-{json.loads(entry['MessageBody'])['tick_id']}",
                "MD5OfMessageBody": hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest(),
            }
            for entry in entries
        ]
    }


class SqsStandIn:
    """Has one queue. `answer(number of the batch, entries)` makes the body of each answer to SendMessageBatch.

    An answer of `FROZEN` is never given: the request hangs until the server is closed.
    """

    FROZEN = b"FROZEN"

    def __init__(self) -> None:
        self.answer: Callable[[int, Entries], bytes] = lambda _number, entries: json.dumps(accepted(entries)).encode()
        self.batches: list[Entries] = []
        self.frozen = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = stand_in.respond(
                    self.headers.get("X-Amz-Target", ""), self.rfile.read(int(self.headers["Content-Length"]))
                )
                if body is None:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_port}"

    def respond(self, target: str, request: bytes) -> bytes | None:
        """The body of an answer; None for none."""
        if target.endswith(".GetQueueUrl"):
            return json.dumps({"QueueUrl": f"{self.endpoint_url}/000000000000/StockQueue"}).encode()
        if target.endswith(".GetQueueAttributes"):
            return b'{"Attributes": {"CreatedTimestamp": "1767623400"}}'
        if not target.endswith(".SendMessageBatch"):
            return _IDENTITY
        entries: Entries = json.loads(request)["Entries"]
        with self._lock:
            self.batches.append(entries)
            number = len(self.batches)
        body = self.answer(number, entries)
        if body != self.FROZEN:
            return body
        with self._lock:
            self.frozen += 1
        self._closed.wait()
        return None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
