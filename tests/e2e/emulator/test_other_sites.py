"""Web pages in the user's browser can make an emulator do nothing, and read nothing of it."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import boto3
import pytest
from playwright.sync_api import Browser

from tests.support.hostile_page import GET_WAYS, POST_WAYS, UNSEEN_WAYS, Call, attack, evil_server

ENGINES = [
    pytest.param("localstack", marks=pytest.mark.localstack),
    pytest.param("ministack", marks=pytest.mark.ministack),
]
TEMPLATE = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "pwned-stack"}}}})
FUNCTION = json.dumps(
    {
        "FunctionName": "pwned",
        "Runtime": "python3.11",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Handler": "code.handler",
        "Code": {
            "ZipFile": "UEsDBBQAAAAAAAAAIQAAAAAAAAAAAAAAAAAHAAAAY29kZS5weVBLAQIUAxQAAAAAAAAAIQAAAAAAAAAAAAAAAAAHAAAA"
            "AAAAAAAAAACAAQAAAABjb2RlLnB5UEsFBgAAAAABAAEANQAAACUAAAAAAA=="
        },
    }
)
SECRET = "nobody-elses-business"


@cache
def _client(endpoint_url: str, service: str, region: str) -> Any:
    session: Any = boto3.Session("test", "test", region_name=region)
    return session.client(service, endpoint_url=endpoint_url)


@dataclass(frozen=True)
class Target:
    """An engine with a victim's queue and bucket on it."""

    endpoint_url: str
    name: str
    queue_url: str
    is_localstack: bool

    def client(self, service: str, region: str = "us-east-2") -> Any:
        return _client(self.endpoint_url, service, region)

    def footprint(self) -> dict[str, Any]:
        """All that an attack could have changed. Requests without credentials go to us-east-1 on LocalStack."""
        found: dict[str, Any] = {}
        for region in ("us-east-1", "us-east-2"):
            found[f"queues {region}"] = sorted(self.client("sqs", region).list_queues().get("QueueUrls", []))
            found[f"topics {region}"] = [t["TopicArn"] for t in self.client("sns", region).list_topics()["Topics"]]
            found[f"functions {region}"] = [
                function["FunctionName"] for function in self.client("lambda", region).list_functions()["Functions"]
            ]
        found["messages"] = self.client("sqs").get_queue_attributes(
            QueueUrl=self.queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        s3 = self.client("s3")
        found["buckets"] = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        found["objects"] = [item["Key"] for item in s3.list_objects_v2(Bucket=self.name)["Contents"]]
        return found

    def takeover(self, base: str) -> list[tuple[str, str]]:
        """Services and GET requests that change something of theirs."""
        queue = f"{base}{urlsplit(self.queue_url).path}"
        return [
            ("queues", f"{base}/?{urlencode({'Action': 'CreateQueue', 'QueueName': 'pwned'})}"),
            ("messages", f"{queue}?{urlencode({'Action': 'SendMessage', 'MessageBody': 'pwned'})}"),
            ("messages", f"{queue}?Action=PurgeQueue"),
            ("topics", f"{base}/?{urlencode({'Action': 'CreateTopic', 'Name': 'pwned'})}"),
            ("queues", f"{base}/?{urlencode({'Action': 'CreateStack', 'StackName': 'p', 'TemplateBody': TEMPLATE})}"),
        ]

    def uploads(self, base: str) -> list[tuple[str, str, str, str]]:
        """Services and POST requests that change something of theirs, as a page may send them without asking first."""
        part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        upload = part.format("key", "pwned") + part.format("file", "pwned") + "--x--\r\n"
        form = urlencode({"Action": "CreateQueue", "QueueName": "pwned-by-post"})
        return [
            ("functions", f"{base}/2015-03-31/functions", FUNCTION, "text/plain"),
            ("objects", f"{base}/{self.name}", upload, "multipart/form-data; boundary=x"),
            ("queues", f"{base}/", form, "application/x-www-form-urlencoded"),
        ]

    def internal(self, base: str) -> list[str]:
        """Pages of the engines' own that change something, or show what is in queues and mails."""
        return [
            *(f"{base}/_localstack/health", f"{base}/_localstack/state/reset", f"{base}/_localstack/config"),
            *(f"{base}/_ministack/reset", f"{base}/_ministack/config", f"{base}/_aws/ses"),
            f"{base}/_aws/sqs/messages?QueueUrl={quote(self.queue_url)}",
        ]


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    engine = request.getfixturevalue(request.param)
    name = f"victim-{uuid.uuid4().hex[:8]}"
    aws = engine.aws
    queue_url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
    aws.sqs.send_message(QueueUrl=queue_url, MessageBody=SECRET)
    aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    aws.s3.put_object(Bucket=name, Key="secret", Body=SECRET.encode())
    target = Target(engine.endpoint_url, name, queue_url, request.param == "localstack")
    yield target
    aws.sqs.delete_queue(QueueUrl=queue_url)
    for item in aws.s3.list_objects_v2(Bucket=name)["Contents"]:
        aws.s3.delete_object(Bucket=name, Key=item["Key"])
    aws.s3.delete_bucket(Bucket=name)


@pytest.fixture(scope="module")
def evil_port() -> Iterator[int]:
    with evil_server() as port:
        yield port


def by_every_way(base: str, get_ways: Sequence[str], post_ways: Sequence[str]) -> list[Call]:
    """Each way to send a request, each with a queue of its own to make."""
    return [
        Call(way, f"{base}/?Action=CreateQueue&QueueName=pwned-{number}", "x=1" if way in post_ways else "")
        for number, way in enumerate([*get_ways, *post_ways])
    ]


def harm(target: Target, base: str) -> list[Call]:
    """Every request that changes or shows what belongs to the user, in one of the ways that can send it."""
    return [
        *(Call("image without referrer", url) for _, url in target.takeover(base)),
        *(Call("fetch no-cors POST", url, body, kind) for _, url, body, kind in target.uploads(base)),
        *(Call(way, f"{base}/{target.name}/secret") for way in ("fetch cors", "fetch with preflight")),
    ]


def everything(target: Target, base: str) -> list[Call]:
    """Every way, every request, and the engines' internal pages."""
    return [
        *by_every_way(base, GET_WAYS, POST_WAYS),
        *harm(target, base),
        *(Call("fetch no-cors POST", url, '{"action": "kill"}', "text/plain") for url in target.internal(base)),
        *(Call("fetch cors", url) for url in target.internal(base)),
        Call("iframe", f"{base}/{target.name}/secret"),
        Call("fetch with preflight", f"{base}/", '{"QueueName": "pwned-by-json"}'),
        Call("websocket", f"{base}/"),
    ]


def much(target: Target, base: str) -> list[Call]:
    """Less of it: the ways that tell least about where they come from."""
    return [*by_every_way(base, ("fetch no-cors", "popup without opener"), ("form POST",)), *harm(target, base)]


# The page's host, the host under which it reaches the engine, and what it tries.
SITES = [
    pytest.param(("evil.test", "127.0.0.1", everything), id="another site"),
    pytest.param(("127.0.0.1", "127.0.0.1", much), id="another port"),
    pytest.param(("evil.test", "rebind.test", much), id="a name made to point here"),
    # Browsers send no Sec-Fetch-Site to plain http of a name that isn't a loopback one.
    pytest.param(("evil.test", "localhost.localstack.cloud", much), id="a public name that points here"),
]


@pytest.mark.parametrize("site", SITES)
def test_a_page_makes_nothing_happen_and_reads_nothing(
    browser: Browser, evil_port: int, target: Target, site: tuple[str, str, Callable[[Target, str], list[Call]]]
) -> None:
    # given an engine, and a page of another site
    before = target.footprint()
    page_host, host, attempts = site
    calls = attempts(target, f"http://{host}:{urlsplit(target.endpoint_url).port}")

    # when it tries everything
    seen = attack(browser, f"http://{page_host}:{evil_port}/", calls)

    # then each request that was sent was refused, nothing was read, and nothing changed
    assert {call.url for call in calls if call.way not in UNSEEN_WAYS} <= seen.asked
    answers = {url: statuses for url, statuses in seen.statuses.items() if urlsplit(url).port != evil_port}
    assert len(answers) >= 5
    assert {url: statuses for url, statuses in answers.items() if statuses != {403}} == {}
    assert {call.way: text for call, text in seen.read.items() if text} == {}
    assert target.footprint() == before


def test_a_name_made_to_point_here_gets_no_answer_for_its_own_pages(browser: Browser, target: Target) -> None:
    # given a page that the browser takes for one of the same site, as after DNS rebinding
    before = target.footprint()
    base = f"http://rebind.test:{urlsplit(target.endpoint_url).port}"

    seen = attack(browser, base, much(target, base))

    # all that it could read is the refusal
    assert {text.partition(":")[0] for text in seen.read.values()} <= {"", "loaded", "refused"}
    assert SECRET not in str(seen.read)
    assert {status for statuses in seen.statuses.values() for status in statuses} == {403}
    assert target.footprint() == before


def test_an_address_opened_from_a_mail_shows_the_engines_pages_only(
    browser: Browser, evil_port: int, target: Target
) -> None:
    # given an object that would answer at the path of a page, as somebody may have uploaded it
    target.client("s3").put_object(Bucket=target.name, Key="_aws/ses", Body="<script>", ContentType="text/html")
    before = target.footprint()
    page = browser.new_context().new_page()
    statuses = []
    for host in ("localhost", "localhost.localstack.cloud"):
        stored = page.goto(f"http://{target.name}.s3.{host}:{urlsplit(target.endpoint_url).port}/_aws/ses")
        assert stored is not None
        statuses.append(stored.status)
    for _, url in target.takeover(target.endpoint_url)[:2]:
        for opened in (url, f"http://evil.test:{evil_port}/redirect?to={quote(url)}"):
            answer = page.goto(opened)
            assert answer is not None
            statuses.append(answer.status)
    health = page.goto(f"{target.endpoint_url}/_localstack/health")

    assert set(statuses) == {403}
    assert health is not None
    assert health.status == 200
    assert target.footprint() == before
    page.context.close()


def test_the_same_requests_of_a_client_have_an_effect(target: Target) -> None:
    """Without this, the tests above would also pass with requests that never do anything."""
    base = target.endpoint_url
    gets = [(service, url, None, "") for service, url in target.takeover(base)]
    posts = [(service, url, body.encode(), kind) for service, url, body, kind in target.uploads(base)]
    for service, url, body, kind in [*gets, *posts]:
        if "CreateStack" in url and target.is_localstack:
            continue  # it has no CloudFormation unless asked: test_services.py
        before = target.footprint()
        headers = {"Content-Type": kind} if kind else {}
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - an http address on loopback
        try:
            urllib.request.urlopen(request, timeout=20).close()  # noqa: S310 - an http address on loopback
        except urllib.error.HTTPError as error:
            pytest.fail(f"{url}: {error} {error.read()!r}")
        changed = {key for key, value in target.footprint().items() if before[key] != value}
        assert {key.split()[0] for key in changed} == {service}, url
