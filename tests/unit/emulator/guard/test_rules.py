"""Who gets an answer: one table of requests, decided without a server."""

import re
from collections.abc import Mapping, Sequence

import pytest

from emulator.guard.rules import Rules, is_origin, listed, values_in

HOST = "localhost:4566"
CURL = {"user-agent": "curl/8.0"}
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/150"}
RULES = Rules.of_engine(
    re.compile(r"/_localstack/health"),
    {"STOCKPIPE_ALLOW_HOST": "localstack", "EXTRA_CORS_ALLOWED_ORIGINS": "https://app.example,null,*"},
)


def refusal(
    headers: Mapping[str, str | Sequence[str]], method: str = "GET", target: str = "/", *, secure: bool = False
) -> str | None:
    raw = [
        (name.encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return RULES.refusal(method, target, values_in(raw), secure=secure)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:4566", "LOCALHOST:1", "bucket.localhost:4566", "a.b.localhost"),
        *("127.0.0.1", "127.0.0.1:4566", "127.255.3.4:80", "[::1]", "[::1]:4566", "[0:0:0:0:0:0:0:1]:4566"),
        *("localhost.localstack.cloud:4566", "bucket.s3.us-east-2.localhost.localstack.cloud", "localstack:4566"),
    ],
)
def test_loopback_names_are_answered(host: str) -> None:
    assert refusal({"host": host, **CURL}) is None


@pytest.mark.parametrize(
    "host",
    [
        *("", ":4566", "evil.example", "evil.example:4566", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("evillocalhost", "localhost.", "localstack.cloud", "evil.localstack.cloud", "x.localstack:4566"),
        *("0.0.0.0:4566", "128.0.0.1", "192.168.1.5:4566", "127.0.0.256", "127.1", "2130706433", "0x7f.0.0.1"),
        *("[::]", "[::2]", "[::ffff:127.0.0.1]", "[fe80::1%lo]", "[bad", "::1"),
        *("localhost:4566@evil.example", "evil.example/localhost", "localhost evil", "localhost,evil.example"),
        *("localhost:", "localhost:x", "localhost:123456", "lócalhost", "localhost\x00"),
    ],
)
def test_any_other_host_is_refused_and_the_line_says_what_to_use(host: str) -> None:
    reason = refusal({"host": host, **CURL})

    assert reason is not None
    assert "Use localhost" in reason
    assert "STOCKPIPE_ALLOW_HOST" in reason
    assert reason.isascii()
    assert reason.isprintable()


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
def test_a_request_names_its_host_exactly_once(hosts: list[str]) -> None:
    assert refusal({"host": hosts, **CURL})


@pytest.mark.parametrize("target", ["http://evil.example/", "http://localhost:4566/", "evil.example:443", ""])
def test_a_host_in_the_request_line_is_refused(target: str) -> None:
    assert refusal({"host": HOST, **CURL}, target=target)


@pytest.mark.parametrize("name", ["origin", "referer"])
@pytest.mark.parametrize(
    "value",
    [
        *(
            "null",
            "",
            "https://evil.example",
            "http://localhost:8321",
            "http://127.0.0.1:4566",
            "https://localhost:4566",
        ),
        *("file://", "chrome-extension://abc", "http://[bad", "http://app.example", "https://app.example.evil.example"),
    ],
)
def test_another_origin_is_refused_and_the_line_says_how_to_allow_it(name: str, value: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        reason = refusal({"host": HOST, name: value, "sec-fetch-site": "same-origin"}, method)
        assert reason is not None
        assert "--allow-origin ORIGIN" in reason
        assert reason.isascii()


def test_a_foreign_origin_beside_a_known_one_is_refused() -> None:
    assert refusal({"host": HOST, "origin": [f"http://{HOST}", "https://evil.example"]})
    assert refusal({"host": HOST, "origin": "https://app.example", "referer": "https://evil.example/"})


@pytest.mark.parametrize("name", ["origin", "referer"])
def test_its_own_origin_is_not_foreign(name: str) -> None:
    its_page = {"host": HOST, "sec-fetch-site": "same-origin", **BROWSER}
    assert refusal({**its_page, name: f"http://{HOST}"}, "POST") is None
    assert refusal({**its_page, name: f"https://{HOST}"}, "POST", secure=True) is None
    assert refusal({**its_page, "host": "LocalHost:4566", name: f"http://{HOST}"}, "POST") is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_allowed_origin_may_call_although_its_site_is_another(site: str) -> None:
    assert refusal({"host": HOST, "origin": "https://app.example", "sec-fetch-site": site}, "POST") is None
    assert refusal({"host": HOST, "referer": "https://app.example/page?q", "sec-fetch-site": site}) is None
    assert refusal({"host": "evil.example", "origin": "https://app.example"})


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something-new", ""])
def test_what_the_browser_says_is_of_another_site_is_refused_also_for_pages(site: str) -> None:
    assert refusal({"host": HOST, "sec-fetch-site": site}, target="/_localstack/health")
    assert refusal({"host": HOST, "sec-fetch-site": site, "origin": f"http://{HOST}"}, "POST")
    assert refusal({"host": HOST, "sec-fetch-site": ["same-origin", site]})


def test_an_address_that_was_typed_or_linked_in_a_mail_opens_pages_only() -> None:
    at = {"host": HOST, "sec-fetch-site": "none", **BROWSER}

    assert refusal(at, target="/_localstack/health") is None
    assert refusal(at, "HEAD", "/_localstack/health?x=1") is None
    assert refusal(at, "POST", "/_localstack/health")
    assert refusal(at, target="/?Action=ListQueues")
    for action in ("Action=CreateQueue", "x=1&%41ction=CreateQueue", "action="):
        assert refusal(at, target=f"/_localstack/health?{action}")
    for target in ("/", "/_localstack/health/..", "/_localstack/%68ealth", "//_localstack/health", "/_localstack"):
        assert refusal(at, target=target), target


@pytest.mark.parametrize(
    "host",
    ["bucket.s3.localhost:4566", "id.lambda-url.us-east-2.localhost", "localhost.localstack.cloud", "localstack"],
)
def test_a_page_is_opened_only_by_a_name_that_nobody_has_objects_or_functions_under(host: str) -> None:
    assert refusal({"host": host, "sec-fetch-site": "none", **BROWSER}, target="/_localstack/health")


# A browser tells no site where it doesn't trust the connection, as with http://localhost.localstack.cloud.
# The origin may be its own: who controls the DNS of that name can serve a page under it, and then let it point here.
# And its script may set the User-Agent, in some browsers.
@pytest.mark.parametrize("host", [HOST, "localhost.localstack.cloud:4566", "bucket.s3.localhost.localstack.cloud"])
def test_a_browser_that_does_not_say_where_it_comes_from_gets_nothing(host: str) -> None:
    own = f"http://{host}"
    for headers in (BROWSER, {"origin": own, **BROWSER}, {"origin": own, **CURL}, {"referer": f"{own}/", **CURL}):
        for method, target in (("GET", "/_localstack/health"), ("GET", "/?Action=CreateQueue"), ("POST", "/")):
            assert refusal({"host": host, **headers}, method, target)


def test_a_websocket_of_its_own_page_is_known_by_its_origin() -> None:
    upgrade = {"upgrade": "websocket", **BROWSER}

    assert refusal({"host": HOST, "origin": f"http://{HOST}", **upgrade}) is None
    assert refusal({"host": HOST, **upgrade})
    assert refusal({"host": HOST, "origin": "http://localhost:1", **upgrade})
    public = "localhost.localstack.cloud:4566"
    assert refusal({"host": public, "origin": f"http://{public}", **upgrade})


def test_a_page_of_its_own_may_call() -> None:
    assert refusal({"host": HOST, "sec-fetch-site": "same-origin", **BROWSER}, "POST", "/x?Action=y") is None


def test_clients_that_are_no_browsers_are_judged_by_host_alone() -> None:
    for agent in ("curl/8", "aws-cli/2", "Boto3/1.43", "python-requests/2", "node", ""):
        assert refusal({"host": HOST, "user-agent": agent}, "POST", "/?Action=CreateQueue") is None
    assert refusal({"host": HOST}, "DELETE") is None


def test_lists_and_origins_are_read_as_users_write_them() -> None:
    assert listed(" https://App.example ,, http://b:1,") == {"https://app.example", "http://b:1"}
    assert listed("") == frozenset()
    good = ["https://app.example", "http://localhost:3000", "http://[::1]:80"]
    bad = [
        "*",
        "null",
        "app.example",
        "https://app.example/",
        "https://a,b",
        "ftp://a",
        "",
        "https://a b",
        "https://a\n",
    ]
    assert [origin for origin in good + bad if is_origin(origin)] == good
