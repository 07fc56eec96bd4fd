"""What moves in the pipeline moves on the page."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, expect

from pipeline.contract import CONTRACT

MARKUP = "<img src=x onerror=\"document.title='injected'\">"


def chart(page: Page, symbol: str) -> Locator:
    return page.locator(f'.chart-card[data-group="{symbol}"]')


def drawing(page: Page, symbol: str) -> str:
    """What the chart's canvas shows."""
    return str(chart(page, symbol).locator("canvas").evaluate("canvas => canvas.toDataURL()"))


@contextmanager
def function_environment(pipeline: Any, **changed: str) -> Iterator[None]:
    """Other environment variables for the function, for a while."""
    function, client = pipeline.names.function, pipeline.aws.lambda_
    before = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]

    def become(variables: dict[str, str]) -> None:
        client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})

    become({**before, **changed})
    try:
        yield
    finally:
        become(before)


def test_charts_and_figures_move_when_ticks_flow(page: Page, pipeline: Any) -> None:
    # given the chart of a symbol with two ticks
    pipeline.send_prices("FLOW", 100.0, 101.0)
    expect(chart(page, "FLOW").get_by_role("img")).to_have_attribute("aria-label", re.compile("2 ticks, last 101"))
    expect(chart(page, "FLOW").locator("canvas")).to_be_visible()
    before = drawing(page, "FLOW")

    # when more ticks flow
    pipeline.send_prices("FLOW", 99.0, 104.5, 103.25)

    # then the chart, the figures and the last records show them
    expect(chart(page, "FLOW").get_by_role("img")).to_have_attribute("aria-label", re.compile("5 ticks"))
    expect(chart(page, "FLOW")).to_contain_text("103.25")
    page.wait_for_function(
        "before => document.querySelector('[data-group=FLOW] canvas').toDataURL() !== before", arg=before
    )
    expect(page.locator('[data-figure="bucket"]')).to_have_text(re.compile(r"^[1-9]\d*$"))
    expect(page.locator('[data-figure="function"]')).to_have_text(re.compile(r"^[1-9]\d*$"))
    expect(page.locator('[data-percentile="p95"]')).to_have_text(re.compile(r"\d (ms|s)"))
    expect(page.get_by_role("table", name="Last records").or_(page.locator("#records"))).to_contain_text("FLOW")


def test_a_tick_sent_by_hand_over_the_threshold_raises_an_alert(page: Page) -> None:
    # when a tick over the threshold is sent with the form
    page.get_by_label("Symbol", exact=True).fill("HAND")
    page.get_by_role("button", name="Over the threshold").click()
    expect(page.get_by_label("Price, in dollars")).to_have_value("1201.33")
    page.get_by_role("button", name="Send", exact=True).click()

    # then the form says so, the alert appears, and the chart marks it
    expect(page.locator("#send").get_by_role("status")).to_contain_text("Sent HAND at 1,201.33")
    expect(page.locator("#alerts")).to_contain_text("Stock alert: HAND 1201.33 >= 1200.00")
    expect(chart(page, "HAND")).to_contain_text("1 breach")


def test_the_form_refuses_what_the_data_contract_refuses(page: Page) -> None:
    page.get_by_label("Symbol", exact=True).fill("no symbol")
    page.get_by_role("button", name="Send", exact=True).click()

    expect(page.locator("#send").get_by_role("status")).to_contain_text("Not sent: symbol 'no symbol' does not match")


def test_a_poison_message_shows_its_reason_as_text_and_leaves_on_redrive(page: Page, pipeline: Any) -> None:
    # given a message that is not a valid tick, with markup in it
    message_id = pipeline.send(f'{{"symbol": "{MARKUP.replace(chr(34), chr(39))}", "price": 1, "volume": 1}}')

    # then it becomes a dead letter with its reason and its text, which is not HTML
    letter = page.locator("#deadletters li").filter(has_text=message_id)
    expect(letter).to_contain_text("does not match [A-Z]")
    expect(letter).to_contain_text("<img src=x onerror=")
    expect(page.locator("#deadletters img")).to_have_count(0)
    expect(page).to_have_title("stockpipe")

    # when it is sent back, then it leaves
    page.get_by_role("button", name=f"Redrive message {message_id}").click()
    expect(page.get_by_text("1 message sent back to the queue")).to_be_visible()
    expect(letter).to_have_count(0)


def test_redrive_all_brings_ticks_that_failed_into_the_bucket(page: Page, pipeline: Any) -> None:
    # given two valid ticks among the dead letters
    for price in (11.0, 12.0):
        pipeline.send(CONTRACT.encode(pipeline.tick("BACK", price)), queue=pipeline.names.dead_letter_queue)
    letters = page.locator("#deadletters li").filter(has_text="BACK")
    expect(letters).to_have_count(2)
    expect(letters.first).to_contain_text("a valid tick: processing it failed")

    # when all are sent back
    page.get_by_role("button", name="Redrive all").click()
    page.get_by_role("dialog").get_by_role("button", name="Redrive").click()

    # then they are stored
    expect(letters).to_have_count(0)
    expect(chart(page, "BACK").get_by_role("img")).to_have_attribute("aria-label", re.compile("2 ticks"))


def test_a_tick_that_could_not_be_stored_shows_why_and_is_stored_after_redrive(page: Page, pipeline: Any) -> None:
    # given a function whose bucket is gone
    with function_environment(pipeline, BUCKET="there-is-no-such-bucket"):
        pipeline.send_prices("LOST", 42.0)

        # then the tick becomes a dead letter, with the reason out of the function's log
        letter = page.locator("#deadletters li").filter(has_text="LOST")
        expect(letter).to_contain_text(re.compile("a valid tick: processing it failed: .*NoSuchBucket"))

    # when the cause is repaired and the tick is sent back
    letter.get_by_role("button").click()

    # then it is stored
    expect(chart(page, "LOST")).to_contain_text("42.00")
    expect(letter).to_have_count(0)


def test_a_named_query_shows_its_rows(page: Page, pipeline: Any) -> None:
    pipeline.send_prices("QRY", 10.0, 20.0)
    expect(chart(page, "QRY").get_by_role("img")).to_have_attribute("aria-label", re.compile("2 ticks"))

    page.get_by_label("Named query").click()
    page.get_by_role("option", name="average_price").click()
    page.get_by_label("Engine").click()
    page.get_by_role("option", name="offline (DuckDB)").click()
    page.locator("#queries").get_by_role("button", name="Run").click()

    expect(page.locator("#queries tr").filter(has_text="QRY")).to_contain_text("15")


def test_a_resource_that_was_changed_by_hand_shows_its_drift(page: Page, pipeline: Any) -> None:
    # given a queue that is as declared
    row = page.locator("#resources li").filter(has_text=f"queue {pipeline.names.dead_letter_queue}").first
    expect(row).to_be_visible()
    expect(row).not_to_contain_text("instead of")

    # when somebody changes it by hand
    url = pipeline.url(pipeline.names.dead_letter_queue)
    pipeline.aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "777"})
    page.get_by_role("button", name="Check the resources again").click()

    # then the page says which attribute differs, and how
    expect(row).to_contain_text(re.compile("MessageRetentionPeriod: 777 instead of"))
    expect(page.locator("#resources")).to_contain_text("not as declared")


def test_the_cost_of_looking_is_shown(page: Page) -> None:
    expect(page.get_by_text(re.compile(r"[\d,]+ API calls/h · \$0\.\d{4}/h on AWS"))).to_be_visible()
