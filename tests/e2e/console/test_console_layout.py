"""The page on a desktop and on a phone, light and dark, and without a mouse."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.console_process import DESKTOP, PHONE

CARDS = ("flow", "values", "rates", "deadletters", "records", "queries", "alerts", "send", "latency", "resources")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_is_wider_than_the_window(
    open_page: Any, console_url: str, pipeline: Any, size: tuple[int, int], scheme: str
) -> None:
    # given a page with something in every part, long words among it
    pipeline.send_prices("WIDE", 1190.0, 1234567.89)
    pipeline.send("x" * 3000, queue=pipeline.names.dead_letter_queue)
    page = open_page(console_url, size, scheme)
    expect(page.locator('[data-group="WIDE"]')).to_be_visible()
    expect(page.locator("#deadletters li").first).to_be_visible()
    expect(page.locator("#resources li").first).to_be_visible()

    # then it scrolls only down, and every part is within the window
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for card in CARDS:
        box = page.locator(f"#{card}").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
        assert page.locator(f"#{card}").evaluate("card => card.scrollWidth <= card.clientWidth"), card


def test_the_picture_is_on_the_first_screen_of_a_small_desktop(page: Page) -> None:
    for what in ("#flow", "#values .card-title", "#alerts .card-title"):
        box = page.locator(what).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= DESKTOP[1]


def test_it_follows_the_system_until_a_theme_is_chosen(open_page: Any, console_url: str) -> None:
    # given a system that is dark
    page = open_page(console_url, scheme="dark")
    expect(page.locator("body.body--dark")).to_be_attached()

    # when light is chosen, then it is light, also after a reload
    page.get_by_role("button", name="Theme: follows the system").click()
    expect(page.locator("body.body--light")).to_be_attached()
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    expect(page.locator("body.body--light")).to_be_attached()


def test_it_can_be_used_with_the_keyboard_alone(page: Page) -> None:
    # the first stop skips what is before the figures
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the live figures")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".page")).to_be_focused()

    # a tick can be sent: typed, and sent with Enter
    page.get_by_label("Symbol", exact=True).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("KEYS")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Price, in dollars")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#send").get_by_role("status")).to_contain_text("Sent KEYS")

    # every button has a name and a visible focus
    for button in page.get_by_role("button").all():
        if button.is_visible() and button.is_enabled():
            unfocused = button.evaluate("b => getComputedStyle(b).boxShadow")
            button.focus()
            assert button.evaluate("b => (b.getAttribute('aria-label') || b.innerText).trim() !== ''")
            assert button.evaluate("b => getComputedStyle(b).boxShadow") != unfocused
