"""The live functions: configuration, environment variables, and event source mappings.

Readers use these settings rather than options of their own.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from profiles.environment import Environment, up_command
from profiles.errors import CannotRunError
from runtime.fields import Record
from runtime.settings import ConfigurationError, FunctionEnvironment

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import (
        EventSourceMappingConfigurationTypeDef,
        FunctionConfigurationResponseTypeDef,
    )


@dataclass(frozen=True)
class LiveFunction:
    """The function that stores records. `environment` has the bucket that the function writes to."""

    environment: Environment
    settings: Any

    def alert_windows(self, record: Record) -> tuple[str, ...]:
        """The keys of the markers of a record's alert windows: one for each rule that applies."""
        return tuple(
            self.environment.contract.alert_key(rule.name, record, self.settings.alert_cooldown_seconds)
            for rule in self.environment.pipeline.rules
            if rule.applies(record, self.settings)
        )


def read_function(environment: Environment) -> LiveFunction:
    """The function that stores records. Raises `CannotRunError` where there is none, or a broken one."""
    name = environment.names.function
    configuration = read_configuration(environment, name)
    if configuration is None:
        raise CannotRunError(f"there is no function {name}; run: {up_command(environment)}")
    try:
        told = read_variables(environment, configuration)
    except ConfigurationError as error:
        raise CannotRunError(f"function {name}: {error}; run: {up_command(environment)}") from error
    if told.bucket != environment.names.bucket:
        environment = replace(environment, names=replace(environment.names, bucket_override=told.bucket))
    return LiveFunction(environment, told.settings)


def read_configuration(environment: Environment, name: str) -> "FunctionConfigurationResponseTypeDef | None":
    """A function's configuration; None where there is no such function."""
    lambda_ = environment.aws.lambda_
    try:
        return lambda_.get_function_configuration(FunctionName=name)
    except lambda_.exceptions.ResourceNotFoundException:
        return None


def read_variables(
    environment: Environment, configuration: "FunctionConfigurationResponseTypeDef"
) -> FunctionEnvironment[Any]:
    """A function's environment variables, read. Raises `ConfigurationError` where a variable is missing or wrong."""
    variables = configuration.get("Environment", {}).get("Variables", {})
    return FunctionEnvironment.read(variables, environment.pipeline.settings)


def read_mapping(
    environment: Environment, queue: str, function: str
) -> "EventSourceMappingConfigurationTypeDef | None":
    """The event source mapping that hands messages of a queue to a function; None where there is none."""
    pages = environment.aws.lambda_.get_paginator("list_event_source_mappings").paginate(
        EventSourceArn=environment.names.arn("sqs", queue)
    )
    # `arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`, or only the name
    return next(
        (
            one
            for page in pages
            for one in page["EventSourceMappings"]
            if function in one["FunctionArn"].split(":")[6:] or function == one["FunctionArn"]
        ),
        None,
    )
