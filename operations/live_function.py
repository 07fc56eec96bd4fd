"""What the live function is told: its environment variables, which readers go by rather than by their own options."""

from pipeline.environment import ConfigurationError, Environment

from profiles.environment import Environment, up_command
from profiles.errors import CannotRunError


def read_environment(
    environment: Environment,
) -> Environment:
    """The live function's environment. Raises `CannotRunError` where there is no function, or a broken one."""
    lambda_ = environment.aws.lambda_
    try:
        configuration = lambda_.get_function_configuration(FunctionName=environment.names.function)
        return Environment.read(configuration.get("Environment", {}).get("Variables", {}))
    except lambda_.exceptions.ResourceNotFoundException as error:
        raise CannotRunError(
            f"there is no function {environment.names.function}; run: {up_command(environment)}"
        ) from error
    except ConfigurationError as error:
        raise CannotRunError(
            f"function {environment.names.function}: {error}; run: {up_command(environment)}"
        ) from error
