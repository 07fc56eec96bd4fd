"""Who answers at an address? The endpoint itself is asked, so a container is recognised like a process of ours."""

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# ministack also answers LocalStack's path, so its own comes first.
_HEALTH_PATHS = (("/_ministack/health", "ministack"), ("/_localstack/health", "localstack"))


@dataclass(frozen=True)
class Identity:
    """An engine that has answered: `engine` is localstack or ministack."""

    engine: str
    version: str

    def __str__(self) -> str:
        return f"{self.engine} {self.version}".strip()


def identify(endpoint_url: str, timeout_seconds: float = 2) -> Identity | None:
    """The engine that answers at `endpoint_url`, or None: nothing there, AWS, or no emulator."""
    for path, engine in _HEALTH_PATHS:
        try:
            health = _get_json(endpoint_url, path, timeout_seconds)
        except (OSError, http.client.HTTPException, ValueError):
            continue
        if isinstance(health, dict) and isinstance(health.get("services"), dict):
            return Identity(engine, str(health.get("version") or ""))
    return None


def _get_json(endpoint_url: str, path: str, timeout_seconds: float) -> Any:
    """What a GET answers; no proxy is used. The certificate isn't checked: nothing secret is sent."""
    url = urlsplit(endpoint_url)
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=timeout_seconds, context=context)
    else:
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return json.loads(response.read()) if response.status == 200 else None
    finally:
        connection.close()
