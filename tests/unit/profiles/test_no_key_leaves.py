"""No real credential to an emulator, no dummy one to AWS, whatever the configuration.

Two servers on loopback record every byte that they get: one plays an emulator, the other a proxy. Whatever is sent to
another host is recorded instead of sent. Each case is a user's configuration; every service's client makes a call.
"""

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.httpsession import URLLib3Session
from botocore.loaders import JSONFileLoader
from botocore.session import Session as BotocoreSession

from emulator.identity import identify
from profiles import endpoints
from profiles.errors import CannotRunError
from profiles.session import Aws, Client, open_profile
from tests.support.command_line import stockpipe

REAL_KEY = "AKIAIOSFODNN7EXAMPLE"
# What a request may not carry to an emulator, in any header or in its body.
SECRETS = (REAL_KEY[:16], "real-secret", "real-token", "wJalrXUtnFEMI")
CALLS = {
    "athena": "list_work_groups",
    "cloudformation": "list_stacks",
    "cloudwatch": "list_metrics",
    "glue": "get_databases",
    "iam": "list_roles",
    "lambda": "list_functions",
    "logs": "describe_log_groups",
    "s3": "list_buckets",
    "sns": "list_topics",
    "sqs": "list_queues",
    "sts": "get_caller_identity",
}


class Recorder(ThreadingHTTPServer):
    """Keeps what it gets, and refuses everything."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def _record(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("latin-1")
        assert isinstance(self.server, Recorder)
        self.server.seen.append(f"{self.command} {self.path}\n{self.headers}\n{body}")
        self.send_response(400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = _record  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class World:
    """A user's machine: two servers on it, and a record of what would have gone elsewhere."""

    emulator: Recorder
    proxy: Recorder
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    elsewhere: list[tuple[str, str]] = field(default_factory=list)

    def configure(self, config: str, credentials: str, variables: dict[str, str]) -> None:
        places = {"EMULATOR": self.emulator.url, "PROXY": self.proxy.url, "KEY": REAL_KEY}
        texts = [config, credentials, *variables.values()]
        for name, value in places.items():
            texts = [text.replace(name, value) for text in texts]
        (self.folder / "config").write_text(texts[0])
        (self.folder / "credentials").write_text(texts[1])
        for variable, value in zip(variables, texts[2:], strict=True):
            self.monkeypatch.setenv(variable, value)

    def call_every_service(self, profile: str) -> Aws:
        """Raises `CannotRunError` where the profile is refused."""
        aws = open_profile(profile)
        for service, operation in CALLS.items():
            with pytest.raises(Exception, match=r"(?s).*"):
                getattr(aws.client(service), operation)()
        return aws

    @property
    def received(self) -> str:
        """All that came over a socket."""
        return "\n".join([*self.emulator.seen, *self.proxy.seen])


_LOADER = JSONFileLoader()
_load_file = functools.cache(_LOADER.load_file)  # botocore reads its models once for each session


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    made = World(Recorder(), Recorder(), tmp_path, monkeypatch)
    send = URLLib3Session.send

    def send_on_loopback_only(session: Any, request: Any) -> Any:
        url = urlsplit(request.url)
        if url.hostname == "127.0.0.1" or session._proxy_config.proxy_url_for(request.url):
            return send(session, request)
        said = request.headers.get("Authorization", b"")
        made.elsewhere.append((f"{url.scheme}://{url.hostname}", said.decode() if isinstance(said, bytes) else said))
        raise EndpointConnectionError(endpoint_url=request.url)

    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _, path: _load_file(path))
    monkeypatch.setattr(URLLib3Session, "send", send_on_loopback_only)
    monkeypatch.setattr("time.sleep", lambda _: None)  # between retries
    yield made
    for server in (made.emulator, made.proxy):
        server.shutdown()
        server.server_close()


REAL = "aws_access_key_id = KEY\naws_secret_access_key = real-secret\naws_session_token = real-token\n"
DUMMY = "aws_access_key_id = test\naws_secret_access_key = test\n"
HERE = "endpoint_url = EMULATOR\n"
BASE = f"[profile base]\n{REAL}"


@dataclass(frozen=True)
class Case:
    """What a user has configured, and what comes of it: `refused` is a part of the line that says so."""

    name: str
    config: str
    refused: str
    variables: dict[str, str] = field(default_factory=dict)
    credentials: str = ""
    profile: str = "p"


def _services(service: str, url: str) -> str:
    return f"services = s\n[services s]\n{service} =\n  endpoint_url = {url}\n"


def _cases() -> Iterator[Case]:
    yield Case("endpoint_url", f"[profile p]\n{REAL}{HERE}", "not a dummy key.*EMULATOR.*profile p")
    yield Case("keys in the credentials file", f"[profile p]\n{HERE}", "not a dummy key", credentials=f"[p]\n{REAL}")
    for settings_id in endpoints.SERVICES.values():
        yield Case(
            f"services section: {settings_id}",
            f"[profile p]\n{REAL}{_services(settings_id, 'EMULATOR')}",
            r"EMULATOR \(section \[services s\]\)",
        )
        variable = f"AWS_ENDPOINT_URL_{settings_id.upper()}"
        yield Case(variable, f"[profile p]\n{REAL}", rf"EMULATOR \(variable {variable}\)", {variable: "EMULATOR"})
    yield Case(
        "AWS as endpoint_url, and a variable",
        f"[profile p]\n{REAL}endpoint_url = https://s3.us-east-2.amazonaws.com\n",
        r"s3.*EMULATOR \(variable AWS_ENDPOINT_URL_S3\)",
        {"AWS_ENDPOINT_URL_S3": "EMULATOR"},
    )
    yield Case(
        "a variable for everything",
        f"[profile p]\n{REAL}",
        "variable AWS_ENDPOINT_URL",
        {"AWS_ENDPOINT_URL": "EMULATOR"},
    )
    yield Case(
        "a section's endpoints are AWS, the profile's is an emulator",
        f"[profile p]\n{DUMMY}{HERE}{_services('s3', 'https://s3.us-east-2.amazonaws.com')}",
        r"and s3 to https://s3.*\(section \[services s\]\)",
    )
    yield Case(
        "dummy keys, and configured endpoints are ignored",
        f"[profile p]\n{DUMMY}{HERE}ignore_configured_endpoint_urls = true\n",
        "AWS could have issued",
    )
    yield Case(
        "dummy keys, and configured endpoints are ignored in the shell",
        f"[profile p]\n{DUMMY}{HERE}",
        "AWS could have issued",
        {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    )
    role = "role_arn = arn:aws:iam::123456789012:role/r\n"
    for setting, value in {
        "source_profile": f"{role}source_profile = base\n",
        "credential_source": f"{role}credential_source = Environment\n",
        "web_identity_token_file": f"{role}web_identity_token_file = TOKEN\n",
        "sso_start_url": (
            "sso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n"
            "sso_account_id = 123456789012\nsso_role_name = r\n"
        ),
        "sso_session": (
            "sso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n"
            "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n"
        ),
        "credential_process": "credential_process = false\n",
        "login_session": "login_session = arn:aws:iam::123456789012:user/u\n",
    }.items():
        real_in_the_shell = {"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "real-secret"}
        named = "role_arn" if "role_arn" in value else setting
        yield Case(
            f"an emulator and {setting}", f"[profile p]\n{HERE}{value}{BASE}", f"p has {named}", real_in_the_shell
        )
        yield Case(
            f"AWS_ENDPOINT_URL and {setting}",
            f"[profile p]\n{value}{BASE}",
            f"p has {named}.*variable AWS_ENDPOINT_URL",
            {**real_in_the_shell, "AWS_ENDPOINT_URL": "EMULATOR"},
        )
        variable = {"sso_start_url": "SSO", "sso_session": "SSO_OIDC", "login_session": "SIGNIN"}.get(setting, "STS")
        yield Case(
            f"AWS_ENDPOINT_URL_{variable} and {setting}",
            f"[profile p]\n{value}{BASE}",
            f"variable AWS_ENDPOINT_URL_{variable}",
            {**real_in_the_shell, f"AWS_ENDPOINT_URL_{variable}": "EMULATOR"},
        )
    yield Case(
        "a role whose source has dummy keys",
        f"[profile p]\n{role}source_profile = d\n[profile d]\n{DUMMY}",
        "key 'test'",
    )
    yield Case(
        "a role whose source is an emulator",
        f"[profile p]\n{role}source_profile = d\n[profile d]\n{DUMMY}{HERE}",
        "key 'test'",
    )
    yield Case("dummy keys and AWS", f"[profile p]\n{DUMMY}", "AWS could have issued")
    for key in (
        "AKIAIOSFODNN7EXAMPLE2",
        "AKIAIOSFODNN7EXAMP",
        "ASIAIOSFODNN7EXAMPLE",
        "akiaiosfodnn7example",
        "ABIAIOSFODNN7EXAMPLE",
        "AKIAIOSFODNN0189EXAM",
        "wJalrXUtnFEMI",
        "test ",
        "1234567890123",
        "١٢٣٤٥٦٧٨٩٠١٢",  # 12 digits, and not ASCII's
    ):
        quoted = f'aws_access_key_id = "{key}"' if key.strip() != key else f"aws_access_key_id = {key}"
        yield Case(f"the key {key}", f"[profile p]\n{HERE}{quoted}\naws_secret_access_key = x\n", "not a dummy key")
    for url, reason in {
        "http://sqs.us-east-2.amazonaws.com": "use https",
        "HTTP://SQS.US-EAST-2.AMAZONAWS.COM.": "use https",
        "https://amazonaws.com.evil.test": "not a dummy key",
        "https://evilamazonaws.com": "not a dummy key",
        "https://api.aws.evil.test": "not a dummy key",
        "http://sts.us-east-2.amazonaws.com@127.0.0.1": "isn't a plain",
        "https://127.0.0.1#@sts.us-east-2.amazonaws.com": "isn't a plain",
        "https://127.0.0.1\\@sts.us-east-2.amazonaws.com": "isn't a plain",
        "https://127.0.0.1?.amazonaws.com": "isn't a plain",
        "https://sts.us-east-2.amazonaws。com": "isn't a plain",
        "http://2130706433": "not a dummy key",
        "http://0x7f000001": "not a dummy key",
        "http://[::ffff:127.0.0.1]": "not a dummy key",
        "localhost:4566": "isn't a plain",
        "http://localhost:99999": "isn't a plain",
        "ftp://localhost": "isn't a plain",
        "http://": "isn't a plain",
        "http://bad_host": "isn't a plain",
    }.items():
        yield Case(f"real keys and {url}", f"[profile p]\n{REAL}endpoint_url = {url}\n", reason)
    for url in (
        "https://sqs.us-east-2.amazonaws.com",
        "https://SQS.us-east-2.AMAZONAWS.com",
        "https://sqs.us-east-2.amazonaws.com.",
        "https://s3.dualstack.us-east-2.amazonaws.com:443/",
        "https://sqs.us-east-2.api.aws",
        "https://user@sqs.us-east-2.amazonaws.com",
        "https://127.0.0.1@sqs.us-east-2.amazonaws.com",
        "http://sqs.us-east-2.amazonaws.com",
    ):
        yield Case(f"local and {url}", "", r"AWS_ENDPOINT_URL.*", {"AWS_ENDPOINT_URL": url}, profile="local")
        yield Case(f"dummy keys and {url}", f"[profile p]\n{DUMMY}endpoint_url = {url}\n", "p")
    yield Case("a services section that isn't there", f"[profile p]\n{REAL}services = s\n", r"\[services s\]")
    yield Case(
        "a service that is no section",
        f"[profile p]\n{REAL}services = s\n[services s]\ns3 = EMULATOR\n",
        r"\[services s\].*s3",
    )


@pytest.mark.parametrize("case", list(_cases()), ids=lambda case: case.name)
def test_a_mixture_is_refused_in_one_line_before_anything_is_sent(world: World, case: Case) -> None:
    (world.folder / "TOKEN").write_text("real-token")
    world.monkeypatch.chdir(world.folder)
    world.configure(case.config, case.credentials, case.variables)

    with pytest.raises(CannotRunError, match=case.refused.replace("EMULATOR", world.emulator.url)) as raised:
        world.call_every_service(case.profile)

    assert len(str(raised.value).splitlines()) == 1
    assert (world.received, world.elsewhere) == ("", [])


# What may surround an emulator's profile without any effect on it.
NOTHING_OF_THESE_MATTERS: dict[str, dict[str, str]] = {
    "AWS_PROFILE": {"AWS_PROFILE": "base", "AWS_DEFAULT_PROFILE": "base"},
    "keys in the shell": {
        "AWS_ACCESS_KEY_ID": "KEY",
        "AWS_SECRET_ACCESS_KEY": "real-secret",
        "AWS_SESSION_TOKEN": "real-token",
    },
    "another region": {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
    "proxies": dict.fromkeys(
        ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), "PROXY"
    ),
    "variants of AWS's endpoints": {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
    "a web identity": {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": "TOKEN"},
    "a container's credentials": {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "EMULATOR/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "real-token",
    },
    "a CA bundle": {"AWS_CA_BUNDLE": "TOKEN"},
}


@pytest.mark.parametrize("variables", NOTHING_OF_THESE_MATTERS.values(), ids=NOTHING_OF_THESE_MATTERS)
@pytest.mark.parametrize("profile", ["local", "p"])
def test_an_emulator_gets_dummy_keys_directly_whatever_surrounds_its_profile(
    world: World, profile: str, variables: dict[str, str]
) -> None:
    # given real keys everywhere but in the profile itself
    (world.folder / "TOKEN").write_text("real-token")
    world.monkeypatch.chdir(world.folder)
    others = "".join(f"[{name}]\n{REAL}" for name in ("default", "profile base", "profile local"))
    local = {"AWS_ENDPOINT_URL": "EMULATOR", "AWS_ENDPOINT_URL_S3": "https://s3.us-east-2.amazonaws.com"}
    world.configure(
        f"[profile p]\n{HERE}aws_access_key_id = 000000000000\n{others}",
        f"[local]\n{REAL}",
        {**variables, **(local if profile == "local" else {})},
    )

    # when every service is called
    aws = world.call_every_service(profile)

    # then all of it came to the emulator, signed for us-east-2 with the dummy key
    key = {"local": "test", "p": "000000000000"}[profile]
    assert aws.profile.endpoint_url == world.emulator.url
    assert (world.elsewhere, world.proxy.seen) == ([], [])
    assert {key in request for request in world.emulator.seen} == {True}
    assert len([one for one in world.emulator.seen if f"Credential={key}/" in one and "/us-east-2/" in one]) >= len(
        CALLS
    )
    assert not [secret for secret in SECRETS if secret in world.received]


AWS_PROFILES = {
    "nothing else": Case("", f"[profile p]\n{REAL}", ""),
    "AWS_PROFILE": Case("", f"[profile p]\n{REAL}", "", {"AWS_PROFILE": "q", "AWS_ACCESS_KEY_ID": "test"}),
    "FIPS": Case("", f"[profile p]\n{REAL}", "", {"AWS_USE_FIPS_ENDPOINT": "true"}),
    "dualstack": Case("", f"[profile p]\n{REAL}", "", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}),
    "VPC endpoints": Case(
        "", f"[profile p]\n{REAL}{_services('sqs', 'https://vpce-1.sqs.us-east-2.vpce.amazonaws.com')}", ""
    ),
    "an emulator of another service": Case(
        "", f"[profile p]\n{REAL}{_services('dynamodb', 'EMULATOR')}", "", {"AWS_ENDPOINT_URL_KINESIS": "EMULATOR"}
    ),
    "configured endpoints are ignored": Case(
        "", f"[profile p]\n{REAL}{HERE}", "", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    ),
}


@pytest.mark.parametrize("case", AWS_PROFILES.values(), ids=AWS_PROFILES)
def test_real_keys_go_to_aws_only_and_with_tls(world: World, case: Case) -> None:
    world.configure(case.config, case.credentials, case.variables)

    aws = world.call_every_service("p")

    assert aws.profile.asks_before_changes
    assert world.received == ""
    assert len(world.elsewhere) >= len(CALLS)
    for host, said in world.elsewhere:
        assert host.startswith("https://")
        assert host.endswith((".amazonaws.com", ".api.aws"))
        assert f"Credential={REAL_KEY}/" in said


def test_a_command_without_a_profile_never_reaches_aws(world: World) -> None:
    """What the README promises: also for a user whose shell and files are all about AWS."""
    shell = {"AWS_PROFILE": "base", "AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "real-secret"}
    files = "".join(f"[{name}]\n{REAL}" for name in ("default", "profile base", "profile local"))
    world.configure(files, "", {**shell, "AWS_ENDPOINT_URL": "EMULATOR"})

    result = stockpipe("status")

    assert result.exit_code == 2  # the server refuses everything
    assert result.stderr.startswith("note: the profile 'local' in your AWS configuration is not used")
    assert world.elsewhere == []
    assert world.emulator.seen
    assert all("Credential=test/" in request for request in world.emulator.seen)


def test_a_proxy_on_the_way_to_aws_sees_no_credentials(world: World) -> None:
    world.configure(f"[profile p]\n{REAL}", "", {"HTTPS_PROXY": "PROXY", "HTTP_PROXY": "PROXY", "ALL_PROXY": "PROXY"})

    world.call_every_service("p")

    assert {seen.split()[0] for seen in world.proxy.seen} == {"CONNECT"}
    assert not [secret for secret in SECRETS if secret in world.received]


def test_botocores_own_endpoint_data_cannot_divert_real_keys(world: World) -> None:
    """Even where a configuration is overlooked, each request is looked at before it is sent."""
    world.configure(f"[profile p]\n{REAL}", "", {})
    aws = open_profile("p")
    aws.sqs.meta.events.register(  # whatever else could change the address: here a plug-in of botocore
        "before-sign", lambda request, **_: setattr(request, "url", world.emulator.url)
    )

    with pytest.raises(CannotRunError, match=f"a request was for {world.emulator.url}"):
        aws.sqs.list_queues()

    assert world.received == ""


def test_asking_who_answers_uses_no_proxy(world: World) -> None:
    world.configure("", "", NOTHING_OF_THESE_MATTERS["proxies"])

    assert identify(world.emulator.url) is None

    assert world.proxy.seen == []
    assert world.emulator.seen


@pytest.mark.parametrize(("service", "settings_id"), endpoints.SERVICES.items())
def test_a_service_is_named_in_settings_as_botocore_names_it(world: World, service: str, settings_id: str) -> None:
    world.configure("", "", {f"AWS_ENDPOINT_URL_{settings_id.upper()}": "EMULATOR"})

    client = BotocoreSession().create_client(service, "us-east-2", aws_access_key_id="a", aws_secret_access_key="b")

    assert client.meta.endpoint_url == world.emulator.url


def test_every_service_that_has_a_client_is_in_the_list() -> None:
    clients = {value.service for value in vars(Aws).values() if isinstance(value, Client)}
    assert clients == set(CALLS)
    assert clients < set(endpoints.SERVICES)
