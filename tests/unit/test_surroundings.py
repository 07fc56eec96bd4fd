"""Tests see nothing of their caller: neither AWS settings nor ours, nor the state folder."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from botocore.session import Session as BotocoreSession

from profiles.folders import state_folder
from profiles.session import open_profile

ROOT = Path(__file__).parents[2]
OF_THE_TESTS = {
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"),
    *("STOCKPIPE_CACHE_DIR", "STOCKPIPE_STATE_DIR", "STOCKPIPE_WRITE_DOCS"),
}


def test_a_test_sees_no_configuration_of_its_caller(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The next test runs this one for a caller who has set everything."""
    assert {name for name in os.environ if name.startswith(("AWS_", "STOCKPIPE_"))} <= OF_THE_TESTS
    assert BotocoreSession().full_config == {"profiles": {}}
    assert boto3.Session().get_credentials() is None
    assert boto3.client("sqs", region_name="us-east-2").meta.endpoint_url == "https://sqs.us-east-2.amazonaws.com"
    assert open_profile().profile.endpoint_url == "http://localhost:4566"
    assert state_folder().is_relative_to(tmp_path_factory.getbasetemp())


def test_nothing_of_a_caller_reaches_the_tests(tmp_path: Path) -> None:
    # given a caller with AWS and stockpipe configured in every way
    requests: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(self.path)

        do_GET = do_PUT = do_POST  # noqa: N815 - http.server's names

    with HTTPServer(("127.0.0.1", 0), Listener) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{listener.server_port}"
        keys = f"aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = s\nendpoint_url = {url}\n"
        (tmp_path / ".aws").mkdir()
        for file in ("config", "credentials"):
            (tmp_path / ".aws" / file).write_text(f"[default]\n{keys}[profile theirs]\n{keys}")
        caller = {
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL": url,
            "AWS_ENDPOINT_URL_SQS": url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_PROFILE": "theirs",
            "STOCKPIPE_PROFILE": "theirs",
            "STOCKPIPE_PREFIX": "theirs",
            "STOCKPIPE_BUCKET": "theirs",
            "STOCKPIPE_STATE_DIR": str(tmp_path / "state"),
        }
        inherited = {name: value for name, value in os.environ.items() if name not in OF_THE_TESTS}

        # when that caller runs the test above
        theirs = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "sees_no_configuration"]
        ran = subprocess.run(
            [*theirs, "tests/unit/test_surroundings.py"],
            cwd=ROOT,
            env={**inherited, **caller},
            capture_output=True,
            text=True,
            check=False,
        )
        listener.shutdown()

    # then it passes, and has neither called nor written anything of the caller's
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout
    assert requests == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [".aws"]
