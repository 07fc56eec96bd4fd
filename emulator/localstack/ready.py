"""Exit 0 if LocalStack is ready for the first call: the health check of the container image.

`/_localstack/health` answers before services are loaded. With `EAGER_SERVICE_LOADING=1` each service of `SERVICES`
turns from `available` to `running` while LocalStack starts; ready means that all of them have. Standard library only:
it runs every two seconds.
"""

import json
import os
import sys
import urllib.request

_PORT = os.environ.get("GATEWAY_LISTEN", "0.0.0.0:4566").rpartition(":")[2]
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def not_ready() -> list[str]:
    """The services that LocalStack has not loaded yet. Raises `OSError` where nothing answers."""
    with _OPENER.open(f"http://127.0.0.1:{_PORT}/_localstack/health", timeout=4) as response:
        states: dict[str, str] = json.load(response)["services"]
    wanted = [name for name in os.environ.get("SERVICES", "").split(",") if name]
    return [name for name in wanted if states.get(name) != "running"]


if __name__ == "__main__":
    try:
        missing = not_ready()
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"LocalStack does not answer: {error}")
    sys.exit(f"not loaded yet: {', '.join(missing)}" if missing else 0)
