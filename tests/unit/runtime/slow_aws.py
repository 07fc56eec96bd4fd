"""SNS over real HTTP that takes its time to answer, and S3 that refuses every write. Both count what reaches them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

_PUBLISHED = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>sns-1</MessageId>'
    "</PublishResult></PublishResponse>"
)
_SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass
class SlowAws:
    """`alerts` is what subscribers get: every publish that arrives, whatever becomes of its answer.

    `arrivals_ms` has their times in milliseconds since 1970, `puts` the keys of refused writes.
    """

    url: str
    sns_seconds: float = 0
    sns_status: int = 200
    alerts: list[dict[str, Any]] = field(default_factory=list)
    arrivals_ms: list[float] = field(default_factory=list)
    puts: list[str] = field(default_factory=list)

    @property
    def windows(self) -> list[str]:
        """The window of each alert, sorted."""
        return sorted(f"{alert['symbol']}/{alert['window']}" for alert in self.alerts)


@contextmanager
def slow_aws() -> Iterator[SlowAws]:
    """Serve on a loopback port until the block ends, which also ends every wait."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # S3 clients expect `100 Continue`

        def do_POST(self) -> None:
            body = parse_qs(self._body().decode())
            aws.arrivals_ms.append(1000 * time.time())
            aws.alerts.append(json.loads(body["Message"][0]))
            status = aws.sns_status
            ended.wait(aws.sns_seconds)
            self._answer(status, _PUBLISHED if status == 200 else "")

        def do_PUT(self) -> None:
            self._body()
            aws.puts.append(self.path)
            self._answer(503, _SLOW_DOWN)

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers["Content-Length"]))

        def _answer(self, status: int, content: str) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content.encode())
            except OSError:  # the client has given up
                self.close_connection = True

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    aws = SlowAws(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, args=(0.02,))
    serving.start()
    try:
        yield aws
    finally:
        ended.set()
        server.shutdown()
        serving.join()
        server.server_close()
