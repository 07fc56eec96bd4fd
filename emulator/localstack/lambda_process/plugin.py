"""The entry points by which LocalStack finds the executor and the poller."""

from typing import Any

from localstack.runtime import hooks
from plux import Plugin


class ProcessRuntimeExecutorPlugin(Plugin):
    """`LAMBDA_RUNTIME_EXECUTOR=process`; the executor itself is imported when LocalStack's Lambda service starts."""

    namespace = "localstack.lambda.runtime_executor"
    name = "process"

    def load(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """The executor class."""
        from .executor import ProcessRuntimeExecutor  # noqa: PLC0415

        return ProcessRuntimeExecutor


@hooks.on_infra_start()
def exact_sqs_poller() -> None:
    """Runs before any mapping polls. An error here ends the start of LocalStack."""
    from . import sqs_poller  # noqa: PLC0415

    sqs_poller.install()
