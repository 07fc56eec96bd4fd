"""SNS over real HTTP: it counts every request that reaches it as an alert, and takes its time to answer."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

_ANSWER = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>sns-{number}'
    "</MessageId></PublishResult></PublishResponse>"
)


@dataclass
class SlowSns:
    """`alerts`: what subscribers would have got, in order. An answer comes after `latency_seconds`."""

    url: str
    latency_seconds: float
    status: int = 200
    alerts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def windows(self) -> list[str]:
        """The window of each alert, sorted."""
        return sorted(f"{alert['symbol']}/{alert['window']}" for alert in self.alerts)


@contextmanager
def slow_sns(latency_seconds: float) -> Iterator[SlowSns]:
    """Serve on a loopback port until the block ends, which also ends every wait."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            topic.alerts.append(json.loads(body["Message"][0]))
            answer = _ANSWER.format(number=len(topic.alerts)).encode()
            ended.wait(topic.latency_seconds)
            try:
                self.send_response(topic.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except OSError:  # the client has given up
                self.close_connection = True

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    topic = SlowSns(f"http://127.0.0.1:{server.server_port}", latency_seconds)
    serving = threading.Thread(target=server.serve_forever, args=(0.02,))
    serving.start()
    try:
        yield topic
    finally:
        ended.set()
        server.shutdown()
        serving.join()
        server.server_close()
