"""LocalStack's side: a `RuntimeExecutor` is asked for each execution environment, and answers with a sandbox.

Its methods, in the order LocalStack calls them: `prepare_version` when a function is created or updated, then per
environment `start`, `invoke` again and again, `stop`. A function's failure is returned as a result. An exception raised
here means that something is wrong with this machine, and LocalStack turns it into a server error.
"""

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from localstack import config
from localstack.aws.api.lambda_ import PackageType
from localstack.runtime import events
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InitializationType, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

from . import environment, interpreters, limits
from .interpreters import Interpreter
from .reaper import Reaper
from .runtime_api import Invocation
from .sandbox import Sandbox, Settings

LOG = logging.getLogger(__name__)

# What AWS allows for a synchronous response; LocalStack makes it settable.
_MAX_RESPONSE_BYTES = 6_291_556

_reaper = Reaper()


class ProcessRuntimeExecutor(RuntimeExecutor):
    """One execution environment of a Python function, as a local process."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002
        super().__init__(id=id, function_version=function_version)
        self._sandbox: Sandbox | None = None

    def start(self, env_vars: dict[str, Any]) -> None:
        """Run the init phase. A failure is reported to the first invoker, or at once with provisioned concurrency."""
        self._sandbox = Sandbox(self._settings(env_vars), _reaper)
        failure = self._sandbox.start()
        provisioned = env_vars.get("AWS_LAMBDA_INITIALIZATION_TYPE") == InitializationType.provisioned_concurrency
        if failure and provisioned:
            raise StatusErrorException("Environment startup failed", payload=failure.payload)

    def stop(self) -> None:
        """End the environment; an invocation that is running may finish, unless LocalStack itself is ending."""
        if self._sandbox:
            self._sandbox.stop(finish_invocation=not events.infra_stopping.is_set())

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation to its end."""
        assert self._sandbox is not None  # noqa: S101
        call = Invocation(
            payload["invoke-id"], payload["invoked-function-arn"], payload["payload"].encode(), payload["trace-id"]
        )
        outcome = self._sandbox.invoke(call)
        return InvocationResult(call.request_id, outcome.payload, is_error=outcome.is_error, logs=outcome.logs)

    def get_logs(self) -> str:
        """Output that belongs to no invocation yet."""
        return self._sandbox.logs() if self._sandbox else ""

    def get_address(self) -> str:
        """Functions run on this machine."""
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """The host part of the gateway's address; an address rather than a name, so that it resolves everywhere."""
        host = str(config.HOSTNAME_FROM_LAMBDA or config.GATEWAY_LISTEN[0].host)
        if host in ("0.0.0.0", "::", ""):  # noqa: S104
            return "127.0.0.1"
        return f"[{host}]" if ":" in host else host

    def get_runtime_endpoint(self) -> str:
        """Where LocalStack's Docker images report to. Functions in processes don't need it and don't get it."""
        return (
            f"http://{self.get_endpoint_from_executor()}:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"
        )

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unzip the code and find the interpreter. An exception's text becomes the function's `StateReason`."""
        declared = function_version.config
        if declared.package_type != PackageType.Zip or not str(declared.runtime).startswith("python3."):
            raise LambdaRuntimeException(
                f"the process executor runs zipped Python functions; {function_version.id.function_name} is "
                f"{declared.runtime or declared.package_type}"
            )
        _, warning = _interpreter(str(declared.runtime))
        if warning:
            LOG.warning("%s", warning)
        for code in (declared.code, *(layer.code for layer in declared.layers)):
            if code:
                code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing is kept per version; LocalStack removes the code."""

    @classmethod
    def validate_environment(cls) -> bool:
        """Whether some interpreter can run functions; called when LocalStack's Lambda service starts."""
        try:
            interpreters.parse(os.environ.get("LAMBDA_PROCESS_PYTHON", ""))
        except ValueError as error:
            LOG.error("%s", error)
            return False
        return True

    def _settings(self, env_vars: Mapping[str, Any]) -> Settings:
        declared = self.function_version.config
        runtime = str(declared.runtime)
        interpreter, _ = _interpreter(runtime)
        hot = declared.code.is_hot_reloading()
        code = Path(declared.code.get_unzipped_code_location()).resolve()
        # -B where the code is the user's own folder: nothing is written there, and a cache can't hide a change.
        python = [str(interpreter.path), *(["-B"] if hot else [])]
        return Settings(
            command=limits.command(
                python,
                ["awslambdaric", str(declared.handler)],
                file_bytes=int(declared.ephemeral_storage.size) * 1024 * 1024,
                environ=os.environ,
            ),
            code=code,
            variables=partial(
                environment.build,
                env_vars,
                declared.environment or {},
                runtime=runtime,
                interpreter=interpreter,
                code=code,
                layers=[Path(layer.code.get_unzipped_code_location()) for layer in declared.layers if layer.code],
            ),
            version=str(self.function_version.id.qualifier),
            timeout_seconds=int(declared.timeout),
            memory_mb=int(declared.memory_size),
            max_response_bytes=int(env_vars.get("LOCALSTACK_MAX_PAYLOAD_SIZE") or _MAX_RESPONSE_BYTES),
            enforce_memory=os.environ.get("LAMBDA_PROCESS_ENFORCE_MEMORY", "1") != "0",
            watch_code=hot,
        )


def _interpreter(runtime: str) -> tuple[Interpreter, str]:
    table = interpreters.parse(os.environ.get("LAMBDA_PROCESS_PYTHON", ""))
    return interpreters.choose(runtime, table, interpreters.probe)
