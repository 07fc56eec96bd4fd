"""What the engines are given, and what is needed to add one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.embedded import EmbeddedEngine, Launch
from emulator.engine import Options
from emulator.localstack.engine import LOCALSTACK
from emulator.ministack.engine import MINISTACK


def variables(engine: EmbeddedEngine, **options: Any) -> Mapping[str, str]:
    launch = Launch(4599, Path("/private"), Options(**options), {"python3.11": Path("/py/bin/python")}, Path("/plugin"))
    return engine.process_environment(Path("/env/bin/python"), launch)


def test_localstack_listens_on_loopback_with_aws_strictness_and_our_executor() -> None:
    environ = variables(LOCALSTACK)
    assert environ["GATEWAY_LISTEN"].split(",")[0] == "127.0.0.1:4599"
    assert set(environ["GATEWAY_LISTEN"].split(",")) <= {"127.0.0.1:4599", "[::1]:4599"}
    assert environ["GATEWAY_SERVER"] == "guarded"
    assert environ["LAMBDA_RUNTIME_EXECUTOR"] == "process"
    assert environ["LAMBDA_PROCESS_PYTHON"] == "python3.11=/py/bin/python"
    assert environ["SQS_DELAY_RECENTLY_DELETED"] == environ["SQS_DELAY_PURGE_RETRY"] == "1"
    assert environ["FILESYSTEM_ROOT"].startswith("/private/")
    assert not any("4566" in value for value in environ.values())


def test_ministack_enforces_iam_and_serves_tls_only_when_asked() -> None:
    plain, strict = variables(MINISTACK), variables(MINISTACK, enforce_iam=True, tls=True)
    assert (plain["AUTH"], plain["USE_SSL"]) == ("false", "0")
    assert set(plain["GATEWAY_LISTEN"].split(",")) <= {"127.0.0.1:4599", "[::1]:4599"}
    assert (strict["AUTH"], strict["USE_SSL"]) == ("true", "1")


def test_localstack_offers_cloudformation_only_when_asked() -> None:
    assert "cloudformation" not in variables(LOCALSTACK)["SERVICES"].split(",")
    assert "cloudformation" in variables(LOCALSTACK, cloudformation=True)["SERVICES"].split(",")
