"""A real Chromium looks at a real console, which looks at a real pipeline on ministack."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.console_pipeline import Pipeline, make_pipeline
from tests.support.console_process import DESKTOP, running_console

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def pipeline(ministack: Any) -> Pipeline:
    """One environment for the tests of a module; each test uses symbols of its own."""
    return make_pipeline(ministack.aws, f"c-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def console_url(ministack: Any, pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The console of that environment."""
    log = tmp_path_factory.mktemp("console") / "console.log"
    with running_console(ministack.endpoint_url, log, "--prefix", pipeline.names.prefix) as url:
        yield url
    assert log.read_text() == "", "the console reported an error"


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a URL in a new tab of its own profile. No tab may ask another host than its own, or report an error."""
    contexts = []
    foreign: list[str] = []
    errors: list[str] = []

    def open_one(url: str, size: tuple[int, int] = DESKTOP, scheme: Any = "light") -> Page:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        own = urlsplit(url).netloc
        page.on("request", lambda request: _note_foreign(request.url, own, foreign))
        page.on("websocket", lambda socket: _note_foreign(socket.url, own, foreign))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert foreign == []
    assert errors == []


def _note_foreign(url: str, own: str, foreign: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("data", "blob") and parts.netloc != own:
        foreign.append(url)


@pytest.fixture
def page(open_page: Callable[..., Page], console_url: str) -> Page:
    """The console in a tab at 1280x720, connected and with live figures."""
    tab = open_page(console_url)
    expect(tab.get_by_text("Live", exact=True)).to_be_visible()
    return tab
