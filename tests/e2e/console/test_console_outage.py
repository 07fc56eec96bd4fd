"""The emulator goes away and comes back while the page is open."""

from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from emulator import lifecycle
from profiles.session import open_endpoint
from tests.support.console_pipeline import make_pipeline
from tests.support.console_process import running_console


def test_an_outage_is_shown_and_recovered_from(free_port: int, open_page: Any, tmp_path: Path) -> None:
    engine = lifecycle.start("ministack", free_port)
    try:
        # given a live page
        pipeline = make_pipeline(open_endpoint(engine.endpoint_url), "outage")
        log = tmp_path / "console.log"
        with running_console(engine.endpoint_url, log, "--prefix", "outage") as url:
            page: Any = open_page(url)
            pipeline.send_prices("GONE", 50.0)
            expect(page.locator('[data-group="GONE"]')).to_be_visible()
            expect(page.get_by_role("alert")).to_be_hidden()

            # when the emulator goes away
            lifecycle.stop(free_port)

            # then the page says so and what to do, and keeps what it had
            expect(page.get_by_role("alert")).to_contain_text(f"Nothing answers at {engine.endpoint_url}")
            expect(page.get_by_role("alert")).to_contain_text("stockpipe emulator start")
            expect(page.locator('[data-group="GONE"]')).to_be_visible()

            # when it is back, empty
            lifecycle.start("ministack", free_port)
            expect(page.get_by_role("alert")).to_contain_text("stockpipe up")

            # and the environment is made again, then the page is live again, with the new ticks only
            pipeline = make_pipeline(open_endpoint(engine.endpoint_url), "outage")
            pipeline.send_prices("BACK", 60.0, 61.0)
            expect(page.get_by_role("alert")).to_be_hidden()
            expect(page.locator('[data-group="BACK"]')).to_contain_text("61.00")
            expect(page.locator('[data-group="GONE"]')).to_have_count(0)
    finally:
        lifecycle.stop(free_port)
