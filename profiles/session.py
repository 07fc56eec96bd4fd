"""From a profile's name to AWS clients.

Only the profile differs between an emulator and AWS: its endpoint and its credentials. Two rules are enforced here:
real credentials are never sent to an emulator, and dummy ones never to AWS. `profiles.endpoints` has the rules.
"""

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session as BotocoreSession

from profiles import credentials
from profiles.endpoints import (
    DUMMY_KEY,
    Endpoint,
    guard,
    is_aws_host,
    is_aws_key,
    is_dummy_key,
    require_plain_url,
    resolve,
)
from profiles.errors import ProfileError
from profiles.names import REGION

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

_C = TypeVar("_C")

BUILT_IN_PROFILE = "local"
BUILT_IN_ENDPOINT = "http://localhost:4566"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# One setting for every endpoint. Path-style addressing, because `bucket.localhost` resolves on few machines; retries in
# botocore's standard mode cover throttling (ThrottlingException, TooManyRequestsException, SlowDown).
CLIENT_CONFIG = Config(
    region_name=REGION,
    retries={"mode": "standard", "max_attempts": 8},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=64,
    s3={"addressing_style": "path"},
)

# An emulator is reached directly, whatever HTTP_PROXY says, and has no FIPS or dual-stack endpoints.
_EMULATOR_CONFIG = Config(proxies={}, use_fips_endpoint=False, use_dualstack_endpoint=False)

# What a call raises where nothing answers, or something that isn't AWS: a web server's HTML can't even be parsed.
NOT_AWS = (BotoCoreError, ClientError, ResponseParserError)

# An emulator's session doesn't read AWS_PROFILE or the user's files: botocore's variables without any source.
_NOTHING_OF_THE_USERS = dict.fromkeys(("profile", "config_file", "credentials_file"), (None, None, None, None))


@dataclass(frozen=True)
class Profile:
    """A resolved profile. `endpoint_url` None means AWS; anything else is an emulator. `remark` is for the user."""

    name: str
    endpoint_url: str | None
    remark: str = ""

    @property
    def asks_before_changes(self) -> bool:
        """Whether a person is asked before anything is changed: changes may cost money and concern others."""
        return self.endpoint_url is None

    @property
    def place(self) -> str:
        """Host and port of the endpoint as part of a file's name, `localhost-4566`; `aws` where it is AWS's own.

        All names of this machine's loopback are one: they reach the same emulator.
        """
        address = urlsplit(self.endpoint_url or "")
        host = "localhost" if address.hostname in _LOOPBACK else address.hostname or "aws"
        return re.sub(r"[^\w.-]", "-", "-".join(str(part) for part in (host, address.port) if part is not None))


class Client(Generic[_C]):
    """An attribute of `Aws`: the client for a service, by botocore's name for it."""

    def __init__(self, service: str) -> None:
        self.service = service

    def __get__(self, aws: "Aws", _owner: object = None) -> _C:
        return cast(_C, aws.client(self.service))


class Aws:
    """Clients for one profile, made on first use and shared between threads. All are bound to us-east-2."""

    athena: "Client[AthenaClient]" = Client("athena")
    cloudformation: "Client[CloudFormationClient]" = Client("cloudformation")
    cloudwatch: "Client[CloudWatchClient]" = Client("cloudwatch")
    glue: "Client[GlueClient]" = Client("glue")
    iam: "Client[IAMClient]" = Client("iam")
    lambda_: "Client[LambdaClient]" = Client("lambda")
    logs: "Client[CloudWatchLogsClient]" = Client("logs")
    s3: "Client[S3Client]" = Client("s3")
    sns: "Client[SNSClient]" = Client("sns")
    sqs: "Client[SQSClient]" = Client("sqs")
    sts: "Client[STSClient]" = Client("sts")

    def __init__(self, profile: Profile, session: boto3.Session) -> None:
        self.profile = profile
        self.region = REGION
        self._session = session
        self._config = CLIENT_CONFIG.merge(_EMULATOR_CONFIG) if profile.endpoint_url else CLIENT_CONFIG
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()  # boto3 sessions are not thread-safe, clients are

    def client(self, service: str) -> Any:
        """The client for a service by botocore's name for it."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service, self._config)
            return self._clients[service]

    def own_client(self, service: str, **settings: Any) -> Any:
        """A client for this caller only, with settings of botocore's `Config` that differ from the usual ones."""
        config = self.client(service).meta.config.merge(Config(**settings))
        with self._lock:
            return self._make(service, config)

    def _make(self, service: str, config: Config) -> Any:
        make = cast(Any, self._session).client
        return make(service, region_name=REGION, endpoint_url=self.profile.endpoint_url, config=config)

    @cached_property
    def account(self) -> str:
        """The account id (12 digits) that these credentials belong to."""
        # The first call of every command: where nothing answers, it says so at once instead of retrying for long.
        sts: STSClient = self._make("sts", self._config.merge(Config(retries={"mode": "standard", "max_attempts": 2})))
        try:
            return sts.get_caller_identity()["Account"]
        except NOT_AWS as error:
            raise ProfileError(self._unreachable(error)) from error

    def _unreachable(self, error: Exception) -> str:
        said = str(error).partition("\n")[0]
        if self.profile.endpoint_url and isinstance(error, ResponseParserError):
            return (
                f"something answers at {self.profile.endpoint_url}, but not as AWS: "
                f"is that the emulator's address? It is from AWS_ENDPOINT_URL, or from profile {self.profile.name}"
            )
        if self.profile.endpoint_url:
            return (
                f"nothing answers as AWS at {self.profile.endpoint_url} (profile {self.profile.name}): {said}. "
                f"Start the emulator with: {_start_command(self.profile.endpoint_url)}"
            )
        return f"AWS did not accept the credentials of profile {self.profile.name}: {said}. Try: aws sso login"


def open_profile(name: str = BUILT_IN_PROFILE, *, environ: Mapping[str, str] | None = None) -> Aws:
    """Resolve a profile and return its clients. Requests are made only if AWS issues the profile's credentials.

    `local` is built in: always an emulator, at `AWS_ENDPOINT_URL` or at localhost:4566, with dummy keys. Nothing else
    of the shell or of the user's files is used. Raises `ProfileError` if the profile doesn't exist, its region
    is not us-east-2, or its credentials and its endpoint don't belong together.
    """
    environ = os.environ if environ is None else environ
    if name == BUILT_IN_PROFILE:
        return _built_in(environ)
    botocore_session = BotocoreSession()
    config = _read(botocore_session)
    known = config["profiles"]
    if name not in known:
        raise ProfileError(
            f"there is no AWS profile {name!r}; known: {', '.join(sorted({*known, BUILT_IN_PROFILE}))}. "
            f"Make one with: aws configure --profile {name}"
        )
    settings = known[name]
    endpoint = resolve(name, settings, config.get("services", {}), environ)
    region = settings.get("region", REGION)
    if region != REGION:
        raise ProfileError(f"profile {name} is for region {region}; stockpipe runs in {REGION} only")
    return _emulator(name, endpoint, settings) if endpoint.url else _aws(name, botocore_session)


def open_endpoint(endpoint_url: str) -> Aws:
    """The built-in profile at another address, for emulators that this program started itself."""
    return _with_dummy_key(Profile(BUILT_IN_PROFILE, endpoint_url), DUMMY_KEY)


def _read(botocore_session: BotocoreSession) -> Mapping[str, Any]:
    """The user's AWS configuration: `profiles` and `services`."""
    try:
        return botocore_session.full_config
    except BotoCoreError as error:
        raise ProfileError(f"the AWS configuration can't be read: {error}. Correct that file") from error


def _built_in(environ: Mapping[str, str]) -> Aws:
    endpoint_url = environ.get("AWS_ENDPOINT_URL") or BUILT_IN_ENDPOINT
    require_plain_url(endpoint_url, "variable AWS_ENDPOINT_URL")
    if is_aws_host(urlsplit(endpoint_url).hostname):
        raise ProfileError(f"AWS_ENDPOINT_URL={endpoint_url} is AWS, and profile local is for emulators: unset it")
    return _with_dummy_key(Profile(BUILT_IN_PROFILE, endpoint_url, _remark_on_local()), DUMMY_KEY)


def _remark_on_local() -> str:
    """A note for a user who has a profile of that name, which other programs may need."""
    try:
        named = BUILT_IN_PROFILE in _read(BotocoreSession())["profiles"]
    except ProfileError:
        named = False  # `local` needs no configuration, so a broken one doesn't matter
    return (
        f"note: the profile '{BUILT_IN_PROFILE}' in your AWS configuration is not used: here, "
        f"'{BUILT_IN_PROFILE}' is always the built-in emulator profile. To use yours, give it another name"
        if named
        else ""
    )


def _emulator(name: str, endpoint: Endpoint, settings: Mapping[str, Any]) -> Aws:
    """Uses only the profile's own key, and only if it is a known dummy key: nothing is fetched."""
    source = credentials.fetched_by(settings)
    if source:
        raise ProfileError(
            f"profile {name} has {source}, and {endpoint} is not AWS: an emulator gets dummy keys only. Remove one of "
            f"the two, or make a profile for the emulator with the key '{DUMMY_KEY}'"
        )
    key = settings.get("aws_access_key_id", DUMMY_KEY)
    if not is_dummy_key(key):
        raise ProfileError(
            f"profile {name} has an access key that is not a dummy key, and {endpoint} is not AWS: real credentials "
            f"are never sent to an emulator. Give that profile the key '{DUMMY_KEY}' (or 12 digits), or remove the "
            "endpoint"
        )
    return _with_dummy_key(Profile(name, endpoint.url), key, ca_bundle=settings.get("ca_bundle"))


def _with_dummy_key(profile: Profile, key: str, ca_bundle: str | None = None) -> Aws:
    botocore_session = BotocoreSession(session_vars=_NOTHING_OF_THE_USERS)
    if ca_bundle and not botocore_session.get_config_variable("ca_bundle"):  # AWS_CA_BUNDLE wins, as in botocore
        botocore_session.set_config_variable("ca_bundle", ca_bundle)
    botocore_session.register("before-send", guard(profile.name, profile.endpoint_url))
    return Aws(profile, boto3.Session(key, DUMMY_KEY, region_name=REGION, botocore_session=botocore_session))


def _aws(name: str, botocore_session: BotocoreSession) -> Aws:
    # First, because fetching credentials makes requests, too.
    botocore_session.register("before-send", guard(name, None))
    session = boto3.Session(profile_name=name, region_name=REGION, botocore_session=botocore_session)
    if not is_aws_key(credentials.access_key_id(botocore_session, name)):
        raise ProfileError(
            f"profile {name} is for AWS, but has no access key that AWS could have issued. "
            "For an emulator, set endpoint_url in that profile"
        )
    return Aws(Profile(name, None), session)


def _start_command(endpoint_url: str) -> str:
    """What starts an emulator at this address, if it is one of this machine."""
    port = urlsplit(endpoint_url).port
    own = port is not None and urlsplit(endpoint_url).hostname in _LOOPBACK and port != urlsplit(BUILT_IN_ENDPOINT).port
    return f"stockpipe emulator start --port {port}" if own else "stockpipe emulator start"
