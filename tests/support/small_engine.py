"""A small engine in the place of the real ones: a real process that answers as ministack."""

import dataclasses

from emulator.embedded import EmbeddedEngine
from emulator.ministack.engine import MINISTACK

ANSWERS = """
import http.server, json, os, pathlib, sys
pathlib.Path("environment.json").write_text(json.dumps(dict(os.environ)))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"services": {}, "version": "9.9"}).encode()
        self.send_response(200 if self.path == "/_ministack/health" else 404)
        self.end_headers()
        self.wfile.write(body)

print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["GATEWAY_PORT"])), Handler).serve_forever()
"""


def small_engine(script: str = ANSWERS) -> EmbeddedEngine:
    """An engine that is this Python script; its port is in GATEWAY_PORT."""
    return dataclasses.replace(MINISTACK, arguments=("-c", script))
