"""What the live function is told: its environment variables, which readers go by rather than by their own options."""

from dataclasses import replace
from typing import Any

from profiles.environment import Environment, up_command
from profiles.errors import CannotRunError
from runtime import settings
from runtime.fields import Record


def read_environment(environment: Environment) -> settings.Environment[Any]:
    """The live function's environment. Raises `CannotRunError` where there is no function, or a broken one."""
    lambda_, function = environment.aws.lambda_, environment.names.function
    try:
        configuration = lambda_.get_function_configuration(FunctionName=function)
        variables = configuration.get("Environment", {}).get("Variables", {})
        return settings.Environment.read(variables, environment.pipeline.settings)
    except lambda_.exceptions.ResourceNotFoundException as error:
        raise CannotRunError(f"there is no function {function}; run: {up_command(environment)}") from error
    except settings.ConfigurationError as error:
        raise CannotRunError(f"function {function}: {error}; run: {up_command(environment)}") from error


def with_its_bucket(environment: Environment, function: settings.Environment[Any]) -> Environment:
    """The environment with the bucket that the live function writes to."""
    if function.bucket == environment.names.bucket:
        return environment
    return replace(environment, names=replace(environment.names, bucket_override=function.bucket))


def alert_windows(environment: Environment, function: settings.Environment[Any], record: Record) -> tuple[str, ...]:
    """The keys of the markers of a record's alert windows: one for each rule that applies."""
    return tuple(
        environment.contract.alert_key(rule.name, record, function.settings.alert_cooldown_seconds)
        for rule in environment.pipeline.rules
        if rule.applies(record, function.settings)
    )
