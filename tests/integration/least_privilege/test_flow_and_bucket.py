"""The whole flow over TLS with IAM enforced; and what the bucket refuses whoever asks."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from bootstrap import up
from emulator import lifecycle
from emulator.engine import Options
from operations.reconcile import reconcile
from pipeline.source import Market
from producer.production import Production, simulated
from tests.conftest import find_free_port
from tests.support.command_line import stockpipe
from tests.support.enforced_iam import ROOT, Endpoint, Scene, hire
from tests.support.environments import at, stock_names, stock_settings


def test_every_tick_is_accounted_for_over_tls_with_iam_enforced(scene: Scene, tmp_path: Path) -> None:
    manifest = tmp_path / "run.jsonl"
    market = Market(7, datetime.now(UTC), groups=("AAPL", "NFLX", "TSLA"))

    Production(scene.environment, simulated(market, count=200, speed=None), manifest=manifest).run()
    result = reconcile(scene.environment, [manifest], wait_seconds=60)

    assert scene.root.profile.endpoint_url is not None
    assert scene.root.profile.endpoint_url.startswith("https://")
    assert result.holds
    assert (result.produced, result.stored, len(result.dead_lettered)) == (200, 200, 0)
    assert result.alerts >= 1


def test_an_ordinary_profile_reaches_it_by_its_own_ca_bundle(
    scene: Scene, enforced: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"[profile enforced]\nregion = us-east-2\nendpoint_url = {enforced.url}\nca_bundle = {enforced.certificate}\n"
        f"aws_access_key_id = test\naws_secret_access_key = test\n"
        f"[profile distrustful]\nregion = us-east-2\nendpoint_url = {enforced.url}\n"
        f"aws_access_key_id = test\naws_secret_access_key = test\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)  # it would win over the profile's

    trusting = stockpipe("status", "--profile", "enforced", "--prefix", scene.names.prefix)
    distrusting = stockpipe("status", "--profile", "distrustful", "--prefix", scene.names.prefix)

    assert trusting.exit_code == 0
    assert "certificate verify failed" in distrusting.error


def test_the_bucket_refuses_a_public_policy(scene: Scene) -> None:
    everybody = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{scene.names.bucket}/*",
            }
        ],
    }
    with pytest.raises(ClientError, match="BlockPublicPolicy"):
        scene.root.s3.put_bucket_policy(Bucket=scene.names.bucket, Policy=json.dumps(everybody))


def test_the_bucket_refuses_acls(scene: Scene) -> None:
    bucket = scene.names.bucket
    with pytest.raises(ClientError, match=r"BlockPublicAcls|AccessControlListNotSupported"):
        scene.root.s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    with pytest.raises(ClientError, match="AccessControlListNotSupported"):
        scene.root.s3.put_object(Bucket=bucket, Key="public", Body=b"", ACL="public-read")


def test_objects_are_encrypted_without_asking(scene: Scene) -> None:
    scene.root.s3.put_object(Bucket=scene.names.bucket, Key="processed/ENC/1-a.json", Body=b"{}")

    stored = scene.root.s3.head_object(Bucket=scene.names.bucket, Key="processed/ENC/1-a.json")

    assert stored["ServerSideEncryption"] == "AES256"


@pytest.fixture
def plain_http(_private_state_folder: object) -> Iterator[Endpoint]:
    """The same engine without TLS: IAM enforced, every request over plain http."""
    running = lifecycle.start("ministack", find_free_port(), Options(enforce_iam=True))
    yield Endpoint(running.endpoint_url, None)
    lifecycle.stop(running.port)


def test_the_bucket_refuses_plain_http_whatever_else_is_allowed(plain_http: Endpoint) -> None:
    root = plain_http.as_(ROOT)
    names = stock_names(root.account, "http")
    up(at(root, names), stock_settings())
    allowed_all_of_s3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    user = hire(plain_http, {"Version": "2012-10-17", "Statement": [allowed_all_of_s3]})
    calls: tuple[Callable[[], object], ...] = (
        lambda: user.s3.put_object(Bucket=names.bucket, Key="processed/A/1-a.json", Body=b"{}"),
        lambda: user.s3.get_object(Bucket=names.bucket, Key="processed/A/1-a.json"),
        lambda: user.s3.list_objects_v2(Bucket=names.bucket),
        lambda: user.s3.put_bucket_tagging(Bucket=names.bucket, Tagging={"TagSet": []}),
    )

    for call in calls:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()

    # and it is the bucket's policy that refuses
    root.s3.delete_bucket_policy(Bucket=names.bucket)
    for call in calls:
        call()
