"""Starting the console as a user does, and a real browser to look at it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

DESKTOP = (1280, 720)
PHONE = (390, 844)
BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Host names of somebody else's that point to this machine, as in DNS rebinding; and one of LocalStack's that does.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP *localhost.localstack.cloud 127.0.0.1",
)
_MAIN = "from stockpipe.cli import app; from terminal.commands import run; run(app)"
_URL = re.compile(r"http://\S+")


def find_chromium() -> str | None:
    """A Chromium of the machine."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for path in map(shutil.which, names) if path), None)


@contextmanager
def running_console(endpoint_url: str, log: Path, *options: str) -> Iterator[str]:
    """The console in a process of its own, on a free port; gives its URL."""
    # NiceGUI behaves differently where it finds pytest's variable.
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NICEGUI_"))},
        "AWS_ENDPOINT_URL": endpoint_url,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-c", _MAIN, "console", "--no-browser", "--port", "0", "--interval", "0.5", *options]
    with log.open("w") as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    try:
        found = _URL.search(process.stdout.readline())
        assert found, f"the console did not start: {log.read_text()}"
        yield found[0]
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
