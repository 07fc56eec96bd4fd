"""The console on LocalStack: the flow, and a redrive by SQS's own message move task."""

import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipeline.contract import CONTRACT
from tests.support.console_pipeline import make_pipeline
from tests.support.console_process import running_console


@pytest.mark.localstack
def test_flow_alert_and_redrive(localstack: Any, open_page: Any, tmp_path: Path) -> None:
    prefix = f"c-{uuid.uuid4().hex[:8]}"
    pipeline = make_pipeline(localstack.aws, prefix)
    with running_console(localstack.endpoint_url, tmp_path / "console.log", "--prefix", prefix) as url:
        page: Page = open_page(url)

        # when ticks flow, one of them over the threshold, and one is among the dead letters
        pipeline.send_prices("FLOW", 100.0, 1300.0)
        pipeline.send(CONTRACT.encode(pipeline.tick("BACK", 11.0)), queue=pipeline.names.dead_letter_queue)

        # then the page shows them all
        flow = page.locator('.chart-card[data-group="FLOW"]')
        expect(flow.get_by_role("img")).to_have_attribute("aria-label", re.compile("2 ticks, last 1,300"))
        expect(page.locator("#alerts")).to_contain_text("Stock alert: FLOW 1300.00 >= 1200.00")
        expect(page.locator('[data-figure="function"]')).to_have_text(re.compile(r"^[1-9]"))
        expect(page.locator("#deadletters li")).to_contain_text("BACK")

        # and when all dead letters are sent back, the tick is stored
        page.get_by_role("button", name="Redrive all").click()
        page.get_by_role("dialog").get_by_role("button", name="Redrive").click()
        expect(page.locator('.chart-card[data-group="BACK"]')).to_contain_text("11.00")
        expect(page.locator("#deadletters li")).to_have_count(0)
    assert (tmp_path / "console.log").read_text() == ""
