"""Who may talk to the console: only pages that it served itself, under a loopback name. The rules are the engines'."""

import pytest

from console.guard import RULES
from emulator.guard.rules import values_in

HOST = (b"host", b"127.0.0.1:8321")


def refused(*headers: tuple[bytes, bytes], target: str = "/") -> bool:
    return RULES.refusal("GET", target, values_in(headers), secure=False) is not None


def test_a_person_may_open_any_page_and_its_pages_may_go_on() -> None:
    for target in ("/", "/prices?symbol=AAPL", "/%0A"):
        assert not refused(HOST, (b"sec-fetch-site", b"none"), target=target)
    assert not refused(HOST, (b"origin", b"http://127.0.0.1:8321"), (b"sec-fetch-site", b"same-origin"))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"evil.example:8321")],
        [(b"host", b"localhost.localstack.cloud:8321")],
        [HOST, (b"origin", b"http://localhost:8321")],
        [HOST, (b"origin", b"null")],
        [HOST, (b"sec-fetch-site", b"same-site")],
        [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate")],
    ],
)
def test_other_hosts_and_other_sites_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert refused(*headers)
