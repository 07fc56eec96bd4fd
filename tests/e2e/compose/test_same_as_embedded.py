"""The tests of embedded LocalStack, borrowed as they are and run against the container.

What is left out looks at the machine that LocalStack runs on, not at AWS's APIs; each has its reason here.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import find_free_port
from tests.integration.bootstrap import test_bootstrap_up_and_down
from tests.integration.emulator import test_executor
from tests.support.compose import Compose
from tests.support.lambda_functions import Functions
from tests.support.sandboxes import Sandbox, sandbox_on

LEFT_OUT = {
    "test_a_function_runs_on_its_runtime_with_lambda_s_environment_only": "Python 3.13 and other paths: see below",
    "test_an_undeclared_interpreter_stands_in_and_the_log_says_so": "the image has Python 3.13 only: see below",
    "test_no_function_outlives_localstack": "a container's processes end with it",
}

_borrowed = {
    name: value
    for module in (test_executor, test_bootstrap_up_and_down)
    for name, value in vars(module).items()
    if name.startswith("test_")
}
globals().update({name: test for name, test in _borrowed.items() if name not in LEFT_OUT})


@dataclass(frozen=True)
class Engine:
    """What those tests ask of an engine."""

    endpoint_url: str


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that both sides see under the same path, and may both write to."""
    folder = tmp_path_factory.mktemp("shared")
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def container(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """LocalStack alone, with that folder mounted."""
    override = tmp_path_factory.mktemp("override") / "override.yml"
    override.write_text(f"services: {{localstack: {{volumes: ['{shared}:{shared}']}}}}")
    compose = Compose(f"stockpipe-test-{os.getpid()}-embedded", find_free_port(), override)
    try:
        compose.run("up", "--detach", "--wait", "localstack")
        yield compose
    finally:
        compose.down()


@pytest.fixture
def tmp_path(shared: Path) -> Path:
    """In place of pytest's own: one that functions in the container see."""
    folder = shared / uuid.uuid4().hex
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def engine(container: Compose) -> Engine:
    """The container in the role of embedded LocalStack."""
    return Engine(container.endpoint_url)


@pytest.fixture(scope="module")
def functions(container: Compose) -> Iterator[Functions]:
    """Functions in the container. Their processes are looked for there, too."""
    inside = container.container()

    def running(pid: int) -> bool:
        status = inside.exec_run(["cat", f"/proc/{pid}/status"]).output.decode()
        return "State:" in status and "Z (zombie)" not in status

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_executor, "running", running)
        yield Functions(container.aws)


@pytest.fixture
def sandbox(container: Compose) -> Iterator[Sandbox]:
    """An environment of the test's own in the container."""
    with sandbox_on(container.endpoint_url) as found:
        yield found


def test_what_is_left_out_still_exists() -> None:
    assert LEFT_OUT.keys() <= _borrowed.keys()


def test_a_function_sees_lambda_s_environment_only_and_the_image_s_python(
    container: Compose, functions: Functions
) -> None:
    name = functions.create(
        """
        import os, sys, boto3
        def handler(event, context):
            return {"env": dict(os.environ), "version": list(sys.version_info[:2]), "cwd": os.getcwd()}
        """,
        Environment={"Variables": {"MINE": "yes"}},
    )

    got = functions.invoke(name).payload

    env = got["env"]
    assert got["version"] == [3, 13]
    assert (env["MINE"], env["AWS_REGION"], env["AWS_EXECUTION_ENV"]) == ("yes", "us-east-2", "AWS_Lambda_python3.11")
    assert got["cwd"] == env["LAMBDA_TASK_ROOT"]
    assert Path(env["HOME"]).is_relative_to("/tmp")
    settings = container.container().attrs["Config"]["Env"]
    of_localstack = {one.partition("=")[0] for one in settings} - {"PATH", "HOME", "LANG"}
    assert not of_localstack & env.keys()
    assert "functions of runtime python3.11 run on python3.13" in container.container().logs().decode()
