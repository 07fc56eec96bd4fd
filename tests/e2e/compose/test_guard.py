"""The guard in the container: the image installs it, and the other services get through."""

import http.client

import pytest

from tests.support.compose import Compose

LIST = "/?Action=ListQueues"


def status(stack: Compose, target: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    connection.request("GET", target, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Referer": "https://evil.example/"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "none"},
        {"User_Agent": "Mozilla/5.0"},
    ],
)
def test_other_hosts_and_other_sites_are_refused(stack: Compose, headers: dict[str, str]) -> None:
    assert status(stack, LIST, **headers) == 403


@pytest.mark.parametrize("host", ["localhost", "localstack:4566", "sqs.us-east-2.localhost.localstack.cloud:4566"])
def test_clients_on_the_host_and_in_other_services_get_an_answer(stack: Compose, host: str) -> None:
    assert status(stack, LIST, Host=host) == 200


def test_the_health_page_may_be_opened_in_a_browser(stack: Compose) -> None:
    assert status(stack, "/_localstack/health", Sec_Fetch_Site="none", User_Agent="Mozilla/5.0") == 200
    assert stack.container().attrs["State"]["Health"]["Status"] == "healthy"


def test_the_port_is_published_on_loopback_only(stack: Compose) -> None:
    bindings = stack.container().attrs["HostConfig"]["PortBindings"]

    assert {binding["HostIp"] for ports in bindings.values() for binding in ports} == {"127.0.0.1"}
