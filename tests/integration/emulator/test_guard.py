"""The guard in front of the real engines: header tricks on raw sockets, clients, allowed origins, and services."""

import http.client
import json
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import lifecycle, loopback
from emulator.engine import Options, Running
from tests.conftest import ALLOWED_ORIGIN

ENGINES = [
    pytest.param("localstack", marks=pytest.mark.localstack),
    pytest.param("ministack", marks=pytest.mark.ministack),
]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def port(engine: Any) -> int:
    return int(engine.running.port)


def raw(port: int, request: str, *, tls: bool = False) -> tuple[int, str]:
    """Status and answer to exactly these bytes. No answer is as good as a refusal: 0."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        connection = plain
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(plain, server_hostname="localhost")
        connection.sendall(request.encode("latin-1"))
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            return response.status, response.read().decode("latin-1")
        except http.client.BadStatusLine:
            return 0, ""


def get(target: str, *headers: str, method: str = "GET", version: str = "1.1") -> str:
    lines = [f"{method} {target} HTTP/{version}", *headers, "", ""]
    return "\r\n".join(lines)


MAKE = "/?Action=CreateQueue&QueueName=raw"
TRICKS = {
    "another host": get(MAKE, "Host: evil.example"),
    "no host": get(MAKE),
    "no host, old protocol": get(MAKE, version="1.0"),
    "two hosts": get(MAKE, "Host: localhost", "Host: evil.example"),
    "two hosts, the other way round": get(MAKE, "Host: evil.example", "Host: localhost"),
    "a host in the request line": get(f"http://evil.example{MAKE}", "Host: localhost"),
    "a host that is ours in the request line": get(f"http://localhost{MAKE}", "Host: evil.example"),
    "a folded host": get(MAKE, "Host: localhost\r\n .evil.example"),
    "a host with a space before the colon": get(MAKE, "Host : localhost", "Host: evil.example"),
    "a user in the host": get(MAKE, "Host: localhost:80@evil.example"),
    "two origins": get(MAKE, "Host: localhost", "Origin: http://localhost", "Origin: https://evil.example"),
    "a forwarded host": get(MAKE, "Host: evil.example", "X-Forwarded-Host: localhost", "Forwarded: host=localhost"),
    "another case": get(MAKE, "hOsT: localhost", "oRiGiN: https://evil.example"),
    "a preflight": get("/", "Host: localhost", "Origin: null", "Access-Control-Request-Method: PUT", method="OPTIONS"),
    "a websocket": get(
        "/",
        *("Host: localhost", "Origin: https://evil.example", "Upgrade: websocket", "Connection: Upgrade"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    ),
    "an upgrade to HTTP/2": get(
        MAKE,
        "Host: evil.example",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
    ),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_with_headers_gets_past_it(engine: Any, port: int, trick: str) -> None:
    status, body = raw(port, TRICKS[trick])

    assert status in {0, 101, 400, 403}, body  # 101: HTTP/2 begins, and there the request is refused
    assert "raw" not in str(engine.aws.sqs.list_queues(QueueNamePrefix="raw").get("QueueUrls"))
    assert "access-control" not in body.lower()


def test_a_refusal_is_one_line_that_says_what_to_do(port: int) -> None:
    status, body = raw(port, get("/", "Host: localhost", "Origin: https://evil.example"))

    assert status == 403
    assert body.count("\n") == 1
    assert "'https://evil.example'" in body
    assert "--allow-origin" in body


def curl(*arguments: str) -> tuple[str, str, str]:
    """Status, HTTP version and body of what curl gets."""
    command = ["curl", "--globoff", "--silent", "--noproxy", "*", "--write-out", "\n%{http_code} %{http_version}"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, timeout=30)
    body, _, last = done.stdout.rpartition("\n")
    status, _, version = last.partition(" ")
    return status, version, body


def test_http_2_is_no_way_around(engine: Any, port: int) -> None:
    plain = ("--http2-prior-knowledge", f"http://127.0.0.1:{port}{MAKE}")

    assert curl("--header", "Host: evil.example", *plain)[:2] == ("403", "2")
    assert curl("--header", "Origin: https://evil.example", *plain)[:2] == ("403", "2")
    assert curl("--http2-prior-knowledge", f"http://127.0.0.1:{port}/_localstack/health")[:2] == ("200", "2")
    assert "raw" not in str(engine.aws.sqs.list_queues(QueueNamePrefix="raw").get("QueueUrls"))


@pytest.mark.ministack
def test_tls_is_no_way_around_on_ministack(free_port: int) -> None:
    running = lifecycle.start("ministack", free_port, Options(tls=True))
    try:
        assert raw(free_port, get(MAKE, "Host: evil.example"), tls=True)[0] == 403
        assert raw(free_port, get(MAKE, "Host: localhost", "Origin: http://localhost"), tls=True)[0] == 403
        assert curl("--insecure", "--header", "Host: evil.example", running.endpoint_url)[:2] == ("403", "2")
        for own in (f"https://localhost:{free_port}", f"https://127.0.0.1:{free_port}"):
            own_page = ("--header", f"Origin: {own}", "--header", "Sec-Fetch-Site: same-origin")
            assert curl("--insecure", *own_page, f"{own}/_ministack/health")[0] == "200"
    finally:
        lifecycle.stop(free_port)


@pytest.mark.localstack
def test_tls_is_no_way_around_on_localstack(localstack: Any) -> None:
    port = localstack.running.port

    assert raw(port, get(MAKE, "Host: evil.example"), tls=True)[0] == 403
    assert raw(port, get("/_localstack/health", "Host: localhost"), tls=True)[0] == 200


def test_curl_reaches_it_by_every_name_and_over_ipv6(engine: Any, port: int) -> None:
    bucket = f"by-name-{uuid.uuid4().hex[:8]}"
    engine.aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    engine.aws.s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    addresses = [f"[{host}]" if ":" in host else host for host in (*loopback.hosts(), "localhost")]
    names = ["localhost.localstack.cloud", f"s3.localhost.localstack.cloud:{port}", f"localhost:{port}"]

    by_address = [curl(f"http://{address}:{port}/{bucket}/key") for address in addresses]
    by_name = [curl("--header", f"Host: {name}", f"http://127.0.0.1:{port}/{bucket}/key") for name in names]
    virtual = [
        curl("--header", f"Host: {bucket}.{name}", f"http://127.0.0.1:{port}/key")
        for name in (f"s3.localhost.localstack.cloud:{port}", f"s3.us-east-2.localhost.localstack.cloud:{port}")
    ]

    assert {(status, body) for status, _, body in [*by_address, *by_name, *virtual]} == {("200", "content")}


@pytest.fixture
def allowing(request: pytest.FixtureRequest, engine: Any) -> Iterator[Running]:
    """The same kind of engine, with an allowed origin."""
    if engine.running.engine == "localstack":
        yield request.getfixturevalue("localstack_with_options").running
        return
    free_port: int = request.getfixturevalue("free_port")
    yield lifecycle.start("ministack", free_port, Options(allowed_origins=(ALLOWED_ORIGIN,)))
    lifecycle.stop(free_port)


def answer(running: Running, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}


def test_an_origin_that_is_allowed_by_name_may_call_and_read(allowing: Running) -> None:
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "x-amz-target,content-type"}
    of_app = {"Origin": ALLOWED_ORIGIN, "Sec_Fetch_Site": "cross-site"}

    for path in ("/", "/some-bucket"):
        preflight, permission = answer(allowing, "OPTIONS", path, **of_app, **asked)
        assert preflight in {200, 204}, path
        assert permission["access-control-allow-origin"] == ALLOWED_ORIGIN
        assert "POST" in permission["access-control-allow-methods"]
        assert "x-amz-target" in permission["access-control-allow-headers"]
    status, given = answer(allowing, "GET", "/?Action=ListQueues", **of_app)
    assert status == 200
    assert given["access-control-allow-origin"] == ALLOWED_ORIGIN
    assert given["vary"] == "Origin"

    refused, nothing = answer(allowing, "OPTIONS", "/", Origin="https://evil.example", **asked)
    assert refused == 403
    assert not [name for name in nothing if name.startswith("access-control")]


def test_an_answer_to_a_client_has_no_cors_headers(engine: Any) -> None:
    for method, path in (("GET", "/?Action=ListQueues"), ("OPTIONS", "/"), ("GET", "/_localstack/health")):
        _, headers = answer(engine.running, method, path)
        assert not [name for name in headers if name.startswith("access-control")]


def test_localstack_refuses_services_that_are_not_used_and_cloudformation_unless_asked(
    localstack: Any, localstack_with_options: Any
) -> None:
    status, _ = answer(
        localstack.running,
        "POST",
        "/",
        X_Amz_Target="DynamoDB_20120810.ListTables",
        Content_Type="application/x-amz-json-1.0",
    )
    assert status == 501
    with pytest.raises(ClientError, match="'cloudformation' is not enabled"):
        localstack.aws.cloudformation.list_stacks()
    assert "StackSummaries" in localstack_with_options.aws.cloudformation.list_stacks()
    health = curl(f"{localstack.endpoint_url}/_localstack/health")[2]
    offered = {name for name, state in json.loads(health)["services"].items() if state != "disabled"}
    assert offered == {"cloudwatch", "iam", "kms", "lambda", "logs", "s3", "ses", "sns", "sqs", "sts"}
