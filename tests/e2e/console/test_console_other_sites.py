"""Pages of other sites in the same browser can neither read the console nor make it do anything."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.support.hostile_page import Call, attack, evil_server

SOCKET = "_nicegui_ws/socket.io/?EIO=4&transport"


@pytest.mark.parametrize("host", ["127.0.0.1", "rebind.test"])
def test_another_site_reaches_nothing(browser: Browser, console_url: str, host: str) -> None:
    # given a page of another site, which reaches the console by its address, or by a name made to point here
    base = f"http://{host}:{urlsplit(console_url).port}"
    pages = [Call(way, f"{base}/") for way in ("iframe", "fetch cors", "popup", "link noreferrer", "form POST")]
    polling = [Call(way, f"{base}/{SOCKET}=polling") for way in ("fetch no-cors", "fetch no-cors POST", "script")]
    socket = Call("websocket", f"{base}/{SOCKET}=websocket")

    # when it tries everything
    with evil_server() as port:
        seen = attack(browser, f"http://evil.test:{port}/", [*pages, *polling, socket])

    # then nothing comes of it
    assert {call.way: text for call, text in seen.read.items() if text} == {}
    assert {url: status for url, status in seen.statuses.items() if urlsplit(url).port != port} == {
        f"{base}/": {403},
        f"{base}/{SOCKET}=polling": {403},
    }


def test_a_host_name_that_was_made_to_point_here_is_refused(browser: Browser, console_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()

    answer = page.goto(f"http://rebind.test:{urlsplit(console_url).port}/")

    assert answer is not None
    assert answer.status == 403
    context.close()
