"""The live page of the stack: there, fed from the stack's LocalStack, and only for this machine's own pages."""

import urllib.error
import urllib.request

import pytest

from tests.support.compose import Compose
from tests.support.waiting import wait_until


def test_the_page_is_served_on_the_hosts_loopback(stack: Compose) -> None:
    wait_until(lambda: stack.container("console").attrs["State"]["Health"]["Status"] == "healthy")

    with urllib.request.urlopen(f"http://localhost:{stack.console_port}/", timeout=10) as answer:
        page = answer.read().decode()
    assert "stockpipe" in page
    assert "http://localstack:4566" in page


def test_a_page_of_another_name_is_refused(stack: Compose) -> None:
    wait_until(lambda: stack.container("console").attrs["State"]["Health"]["Status"] == "healthy")

    request = urllib.request.Request(f"http://localhost:{stack.console_port}/", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310 - an http address on loopback
    assert refused.value.code == 403
