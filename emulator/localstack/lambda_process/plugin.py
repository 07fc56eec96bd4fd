"""The entry point by which LocalStack finds the executor: `LAMBDA_RUNTIME_EXECUTOR=process`."""

from typing import Any

from plux import Plugin  # type: ignore[import-not-found,unused-ignore]


class ProcessRuntimeExecutorPlugin(Plugin):  # type: ignore[misc,unused-ignore]
    """Named in this package's entry points; the executor itself is imported when LocalStack's Lambda service starts."""

    namespace = "localstack.lambda.runtime_executor"
    name = "process"

    def load(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """The executor class."""
        from .executor import ProcessRuntimeExecutor  # noqa: PLC0415

        return ProcessRuntimeExecutor
