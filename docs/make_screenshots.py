"""Take the pictures of docs/console.md: a running market on ministack, seen by a real browser.

    .venv/bin/python docs/make_screenshots.py

Starts an emulator and the console on free ports, plays a minute of market, and stops what it started. Needs Chromium.
"""

import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

import bootstrap
from bootstrap import Settings
from emulator import lifecycle
from profiles.environment import Environment
from profiles.names import Names
from profiles.pipeline import load
from profiles.session import open_endpoint
from tests.support.console_process import BROWSER_ARGUMENTS, DESKTOP, PHONE, find_chromium, running_console

IMAGES = Path(__file__).parent / "images"
ROOT = Path(__file__).parent.parent
LONG = (1280, 1410)
PICTURES: tuple[tuple[str, tuple[int, int], Any], ...] = (
    ("console-light", LONG, "light"),
    ("console-dark", DESKTOP, "dark"),
    ("console-phone", PHONE, "light"),
)
TICKS = 900
POISON = ('{"symbol": "TSLA", "price": "<b>lots</b>", "volume": 100}', "price,volume\n1201.33,100")


def main() -> None:
    """Start everything, take the pictures, stop everything."""
    chromium = find_chromium()
    if chromium is None:
        sys.exit("no Chromium was found on PATH: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = lifecycle.start("ministack", port)
    try:
        aws, pipeline = open_endpoint(engine.endpoint_url), load()
        environment = Environment(pipeline, aws, Names(pipeline.names, aws.account))
        bootstrap.up(environment, Settings(pipeline.settings()))
        _poison(environment)
        log = Path(tempfile.mkdtemp()) / "console.log"
        with running_console(engine.endpoint_url, log, "--interval", "2") as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER_ARGUMENTS))
            market = _market(engine.endpoint_url)
            for picture in PICTURES:
                _take(browser, url, *picture)
            market.terminate()
            market.wait()
    finally:
        lifecycle.stop(port)


def _poison(environment: Environment) -> None:
    """Dead letters, without waiting until their receives have failed."""
    sqs = environment.aws.sqs
    url = sqs.get_queue_url(QueueName=environment.names.dead_letter_queue)["QueueUrl"]
    for body in POISON:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def _market(endpoint_url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "producer/producer.py", "--rate", "15", "--seed", "7"]
    environment = {"AWS_ENDPOINT_URL": endpoint_url, "PATH": "/usr/bin:/bin", "HOME": tempfile.mkdtemp()}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _take(browser: Browser, url: str, name: str, size: tuple[int, int], scheme: Any) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=60_000)
    expect(page.locator("#resources li").first).to_be_visible(timeout=60_000)
    expect(page.locator("#alerts li").first).to_be_visible(timeout=120_000)
    page.wait_for_function(  # enough ticks for charts that look like a market
        "least => Number(document.querySelector('[data-figure=bucket]').innerText.replace(',', '')) >= least",
        arg=TICKS,
        timeout=180_000,
    )
    page.screenshot(path=IMAGES / f"{name}.png")
    context.close()


if __name__ == "__main__":
    main()
