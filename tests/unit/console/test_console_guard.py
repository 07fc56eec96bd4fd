"""Who may talk to the console: only pages that it served itself, under a loopback name."""

import pytest

from console.guard import refusal

HOST = "127.0.0.1:8321"


@pytest.mark.parametrize("host", [HOST, "localhost:8321", "[::1]:8321", "LOCALHOST:8321"])
def test_loopback_names_are_served(host: str) -> None:
    assert refusal({"host": host}, is_websocket=False) is None


@pytest.mark.parametrize("host", ["", "example.com", "example.com:8321", "127.0.0.1.example.com", "[bad", "0.0.0.0:1"])
def test_any_other_host_is_refused(host: str) -> None:
    assert refusal({"host": host}, is_websocket=False)


@pytest.mark.parametrize(
    "origin",
    ["http://example.com", "https://127.0.0.1:8321", "http://localhost:8321", "http://127.0.0.1:9999", "null", ""],
)
@pytest.mark.parametrize("is_websocket", [True, False])
def test_other_origins_are_refused(origin: str, is_websocket: bool) -> None:
    assert refusal({"host": HOST, "origin": origin}, is_websocket=is_websocket)


def test_its_own_page_may_open_a_websocket_and_nobody_without_an_origin() -> None:
    assert refusal({"host": HOST, "origin": f"http://{HOST}"}, is_websocket=True) is None
    assert refusal({"host": HOST}, is_websocket=True)


def test_another_sites_scripts_are_refused_but_its_links_work() -> None:
    script = {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}

    assert refusal(script, is_websocket=False)
    assert refusal({**script, "sec-fetch-mode": "navigate"}, is_websocket=False) is None
