"""Profiles: which endpoint, with whose credentials. AWS keys below are AWS's own documentation examples or made up."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from profiles.errors import ProfileError
from profiles.session import open_endpoint, open_profile

REAL_LOOKING_KEY = "AKIAIOSFODNN7EXAMPLE"
MAKE_CONFIG = """
[profile prod]
region = us-east-2
aws_access_key_id = {key}
aws_secret_access_key = secret

[profile emulator]
region = us-east-2
endpoint_url = http://127.0.0.1:4999
aws_access_key_id = test
aws_secret_access_key = test

[profile leaking]
region = us-east-2
endpoint_url = http://127.0.0.1:4999
aws_access_key_id = {key}
aws_secret_access_key = secret

[profile pretending]
region = us-east-2
aws_access_key_id = test
aws_secret_access_key = test

[profile elsewhere]
region = eu-west-1
aws_access_key_id = {key}
aws_secret_access_key = secret

[profile regionless]
aws_access_key_id = {key}
aws_secret_access_key = secret

[profile empty]
region = us-east-2
"""


@pytest.fixture(autouse=True)
def aws_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose whole AWS configuration is the file above."""
    config = tmp_path / "config"
    config.write_text(MAKE_CONFIG.format(key=REAL_LOOKING_KEY))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return config


def access_key(client: object) -> str:
    return client._request_signer._credentials.access_key  # type: ignore[attr-defined,no-any-return]


def test_local_is_built_in_and_needs_no_configuration() -> None:
    aws = open_profile()

    assert aws.profile.endpoint_url == "http://localhost:4566"
    assert not aws.profile.asks_before_changes
    assert aws.sqs.meta.endpoint_url == "http://localhost:4566"
    assert aws.sqs.meta.region_name == "us-east-2"


def test_local_ignores_credentials_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", REAL_LOOKING_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert access_key(open_profile("local").sqs) == "test"


@pytest.mark.parametrize("named", ["prod", "nobody"])
def test_local_ignores_aws_profile_of_the_shell(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("AWS_PROFILE", named)

    aws = open_profile("local")

    assert access_key(aws.sqs) == "test"
    assert aws.sqs.meta.endpoint_url == "http://localhost:4566"


def test_local_honours_the_endpoint_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localstack:4566")

    assert open_profile("local").s3.meta.endpoint_url == "http://localstack:4566"


@pytest.mark.parametrize(
    "host", ["sqs.us-east-2.amazonaws.com", "s3.dualstack.us-east-2.amazonaws.com", "sqs.us-east-2.api.aws"]
)
def test_local_is_never_aws(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://{host}")

    with pytest.raises(ProfileError, match="profile local is for emulators"):
        open_profile("local")


def test_a_profile_named_local_in_the_users_configuration_is_not_used_and_that_is_said(aws_config: Path) -> None:
    aws_config.write_text(
        "[profile local]\nregion=eu-west-1\nendpoint_url=http://127.0.0.1:5001\n"
        f"aws_access_key_id={REAL_LOOKING_KEY}\naws_secret_access_key=secret\n"
    )

    aws = open_profile("local")

    assert aws.sns.meta.endpoint_url == "http://localhost:4566"
    assert access_key(aws.sns) == "test"
    assert aws.profile.remark.startswith("note: the profile 'local' in your AWS configuration is not used")


def test_there_is_no_remark_without_such_a_profile() -> None:
    assert open_profile("local").profile.remark == ""


def test_local_works_where_the_users_configuration_is_broken(aws_config: Path) -> None:
    aws_config.write_text("nothing that an AWS client could read")

    assert open_profile("local").sns.meta.endpoint_url == "http://localhost:4566"


def test_a_profile_with_endpoint_url_is_an_emulator() -> None:
    aws = open_profile("emulator")

    assert not aws.profile.asks_before_changes
    assert aws.lambda_.meta.endpoint_url == "http://127.0.0.1:4999"


@pytest.mark.parametrize("profile", ["emulator", "pretending"])
def test_an_endpoint_in_the_shell_comes_before_the_profiles_as_in_every_sdk(
    monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4998")

    assert open_profile(profile).sns.meta.endpoint_url == "http://127.0.0.1:4998"


def test_a_profile_without_endpoint_url_is_aws() -> None:
    aws = open_profile("prod")

    assert aws.profile.asks_before_changes
    assert aws.sqs.meta.endpoint_url == "https://sqs.us-east-2.amazonaws.com"
    assert access_key(aws.sqs) == REAL_LOOKING_KEY


def test_a_profile_without_a_region_runs_in_us_east_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    assert open_profile("regionless").sqs.meta.region_name == "us-east-2"


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("leaking", "real credentials are never sent to an emulator"),
        ("pretending", "no access key that AWS could have issued"),
        ("elsewhere", "is for region eu-west-1"),
        ("empty", "has no credentials"),
        ("nobody", "there is no AWS profile 'nobody'; known: elsewhere, empty, emulator"),
    ],
)
def test_profiles_that_cannot_be_used_say_why(profile: str, reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        open_profile(profile)


def test_the_built_in_profile_at_another_address() -> None:
    aws = open_endpoint("http://127.0.0.1:7777")

    assert aws.iam.meta.endpoint_url == "http://127.0.0.1:7777"
    assert aws.client("iam") is aws.iam


def test_an_endpoint_that_does_not_answer_is_said_in_one_line() -> None:
    aws = open_endpoint("http://127.0.0.1:9")

    with pytest.raises(ProfileError, match=r"nothing answers as AWS at http://127.0.0.1:9 .*stockpipe emulator start"):
        _ = aws.account


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("http://127.0.0.1:9", "stockpipe emulator start --port 9"),
        ("http://localhost:4566", "stockpipe emulator start"),
        ("http://emulator:9", "stockpipe emulator start"),
    ],
)
def test_the_command_that_starts_the_emulator_names_its_port(
    address: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EndpointConnectionError(endpoint_url=address)

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", refuse)
    with pytest.raises(ProfileError) as raised:
        _ = open_endpoint(address).account

    assert str(raised.value).endswith(f"Start the emulator with: {command}")


def test_a_web_server_that_is_no_aws_is_called_that() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:  # answers 501 and a page to every POST
        address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ProfileError) as raised:
            _ = open_endpoint(address).account
        server.shutdown()

    assert str(raised.value).startswith(f"something answers at {address}, but not as AWS: ")
    assert "\n" not in str(raised.value)
    assert "line" not in str(raised.value)


def test_an_own_client_has_its_own_settings_and_else_the_shared_ones() -> None:
    aws = open_endpoint("http://127.0.0.1:1")
    own: Any = aws.own_client("sqs", read_timeout=3, retries={"total_max_attempts": 1}).meta
    shared: Any = aws.sqs.meta
    assert own.config.read_timeout == 3
    assert own.config.retries["total_max_attempts"] == 1
    assert (own.region_name, own.endpoint_url) == ("us-east-2", "http://127.0.0.1:1")
    assert own.config.max_pool_connections == shared.config.max_pool_connections == 64
    assert shared.config.read_timeout == 60
