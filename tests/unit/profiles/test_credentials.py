"""Profiles whose credentials botocore fetches: assumed roles, SSO, a credential process. AWS is moto, or by hand."""

import hashlib
import json
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session
from moto import mock_aws

from profiles.errors import ProfileError
from profiles.session import open_profile

START_URL = "https://example.awsapps.com/start"
CONFIG = """
[profile base]
region = us-east-2
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = secret

[profile deployer]
region = us-east-2
source_profile = base
role_arn = arn:aws:iam::123456789012:role/deployer

[profile single-sign-on]
region = us-east-2
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = Developer

[profile process]
region = us-east-2
credential_process = {process}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with these profiles."""
    issued = {"Version": 1, "AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "s", "SessionToken": "t"}
    script = tmp_path / "issue.py"
    script.write_text(f"print({json.dumps(issued)!r})")
    config = tmp_path / "config"
    config.write_text(CONFIG.format(process=shlex.join([sys.executable, str(script)])))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def key_and_token(client: Any) -> tuple[str, str]:
    credentials = client._request_signer._credentials.get_frozen_credentials()
    return credentials.access_key, credentials.token


def test_an_assumed_role_works() -> None:
    with mock_aws():
        aws = open_profile("deployer")

        key, token = key_and_token(aws.sqs)
        assert aws.profile.asks_before_changes
        assert key.startswith("ASIA")
        assert token
        assert aws.sts.get_caller_identity()["Arn"].startswith("arn:aws:sts::123456789012:assumed-role/deployer/")


def test_single_sign_on_works_with_a_cached_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a token that `aws sso login` has left
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    expires = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    token = {"startUrl": START_URL, "region": "us-east-1", "accessToken": "token", "expiresAt": expires}
    (cache / f"{hashlib.sha1(START_URL.encode()).hexdigest()}.json").write_text(json.dumps(token))  # noqa: S324 - AWS's
    monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(cache))
    asked: list[str] = []

    def send(_self: URLLib3Session, request: AWSRequest) -> AWSResponse:
        asked.append(str(request.url))
        answer = {
            "roleCredentials": {
                "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "secretAccessKey": "secret",
                "sessionToken": "session",
                "expiration": int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000),
            }
        }
        response = AWSResponse(str(request.url), 200, HTTPHeaders(), None)
        vars(response)["_content"] = json.dumps(answer).encode()
        return response

    monkeypatch.setattr(URLLib3Session, "send", send)

    # when the profile is used
    aws = open_profile("single-sign-on")

    # then botocore has asked AWS's portal for the role's keys, with the token
    assert key_and_token(aws.s3) == ("ASIAIOSFODNN7EXAMPLE", "session")
    assert [url.split("?")[0] for url in asked] == ["https://portal.sso.us-east-1.amazonaws.com/federation/credentials"]


def test_single_sign_on_without_a_token_says_how_to_get_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(home / "nothing"))

    with pytest.raises(
        ProfileError, match=r"gets no credentials with its sso_start_url: .*Try: aws sso login --profile single-sign-on"
    ):
        open_profile("single-sign-on")


def test_a_credential_process_works() -> None:
    assert key_and_token(open_profile("process").sns) == ("ASIAIOSFODNN7EXAMPLE", "t")
