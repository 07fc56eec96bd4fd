"""Programs that set an engine up see what they need of the user's variables, and no secrets."""

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uv

from emulator import compose, environments, interpreters
from profiles.errors import CannotRunError

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "secret",
    "AWS_PROFILE": "prod",
    "AWS_ENDPOINT_URL": "http://localhost:4566",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "secret",
    "GITHUB_TOKEN": "secret",
    "GH_TOKEN": "secret",
    "CI_JOB_TOKEN": "secret",
    "NPM_TOKEN": "secret",
    "PGPASSWORD": "secret",
    "DB_PASSWORD": "secret",
    "DATABASE_URL": "postgres://user:secret@db/x",
    "LOCALSTACK_AUTH_TOKEN": "secret",
    "GOOGLE_APPLICATION_CREDENTIALS": "/secret.json",
    "AZURE_CLIENT_SECRET": "secret",
    "ANTHROPIC_API_KEY": "secret",
    "UV_PUBLISH_TOKEN": "secret",
    "UV_PUBLISH_PASSWORD": "secret",
    "UV_GITHUB_TOKEN": "secret",
    "TWINE_PASSWORD": "secret",
    "DOCKER_PASSWORD": "secret",
    "DOCKER_AUTH_CONFIG": "{}",
    "PATHS_TO_SECRETS": "secret",
}
OF_OTHER_ENVIRONMENTS = {"VIRTUAL_ENV": "/x", "PYTHONPATH": "/x", "UV_PYTHON": "/x", "UV_SYSTEM_PYTHON": "1"}
# With these, uv would check fewer hashes, or install something else.
LOOSENING = dict.fromkeys(("UV_NO_VERIFY_HASHES", "UV_OVERRIDE", "UV_CONSTRAINT", "UV_TARGET", "UV_ENV_FILE"), "1")
NEEDED = {
    "HTTP_PROXY": "http://proxy:1",
    "https_proxy": "http://proxy:1",
    "NO_PROXY": "localhost",
    "SSL_CERT_FILE": "/ca.pem",
    "SSL_CERT_DIR": "/ca",
    "UV_DEFAULT_INDEX": "https://index.test/simple",
    "UV_INDEX_MINE_PASSWORD": "of-the-index",
    "UV_PYTHON_INSTALL_MIRROR": "https://mirror.test",
    "XDG_CONFIG_HOME": "/config",
    "PYENV_ROOT": "/pyenv",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TMPDIR": "/tmp",
}
OF_DOCKER = {
    "DOCKER_CONFIG": "/docker",
    "COMPOSE_PROFILES": "demo",
    "STOCKPIPE_RATE": "7",
    "SSH_AUTH_SOCK": "/agent",
}


class Dump:
    """A program that writes down its variables and fails."""

    def __init__(self, folder: Path) -> None:
        self.said = folder / "dump.json"
        code = f"import json, os; json.dump(dict(os.environ), open({str(self.said)!r}, 'w')); raise SystemExit(1)"
        self.command = [sys.executable, "-S", "-c", code]
        self.path = folder / "bin" / "docker"
        self.path.parent.mkdir()
        self.path.write_text(f"#!/bin/sh\nexec {shlex.join(self.command)}\n")
        self.path.chmod(0o755)


def _set_up(dump: Dump) -> None:
    with pytest.raises(CannotRunError):
        environments.run(dump.command, dump.said.parent, "The Engine", lambda _: None)


def _ask_uv(dump: Dump) -> None:
    assert interpreters.find("3.99", fetch=False) is None


def _ask_docker(dump: Dump) -> None:
    assert compose._address() is None


def _compose(dump: Dump) -> None:
    with pytest.raises(CannotRunError):
        compose._compose("p", 4566, ["up"], lambda _: None)


def _compose_version(dump: Dump) -> None:
    with pytest.raises(CannotRunError):
        compose._require_compose()


@pytest.mark.parametrize(
    ("step", "further"),
    [
        (_set_up, {}),
        (_ask_uv, {}),
        (_ask_docker, OF_DOCKER),
        (_compose, OF_DOCKER),
        (_compose_version, OF_DOCKER),
    ],
)
def test_a_step_sees_what_it_needs_and_no_secret(
    step: Callable[[Dump], None], further: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a shell with secrets of many kinds
    dump = Dump(tmp_path)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    for name, value in {**SECRETS, **OF_OTHER_ENVIRONMENTS, **LOOSENING, **NEEDED, **OF_DOCKER}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{dump.path.parent}:/usr/bin:/bin")
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(dump.path))

    # when a step runs a program
    step(dump)

    # then
    seen = json.loads(dump.said.read_text())
    assert {name: seen.get(name) for name in {**NEEDED, **further}} == {**NEEDED, **further}
    assert {"PATH", "HOME"} <= set(seen)
    assert {*SECRETS, *OF_OTHER_ENVIRONMENTS, *LOOSENING}.isdisjoint(seen)
    assert not [name for name, value in seen.items() if "secret" in value]
    assert set(seen) - {"LC_CTYPE"} <= set(os.environ) | {"STOCKPIPE_PORT", "PWD", "SHLVL", "_"}
