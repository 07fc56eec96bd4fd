"""What the live function is told: its environment variables, which readers go by rather than by their own options."""

from pipeline.environment import ConfigurationError, Environment
from profiles.environment import up_command
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import Aws


def read_environment(aws: Aws, names: Names) -> Environment:
    """The live function's environment. Raises `CannotRunError` where there is no function, or a broken one."""
    lambda_ = aws.lambda_
    try:
        configuration = lambda_.get_function_configuration(FunctionName=names.function)
        return Environment.read(configuration.get("Environment", {}).get("Variables", {}))
    except lambda_.exceptions.ResourceNotFoundException as error:
        raise CannotRunError(f"there is no function {names.function}; run: {up_command(aws, names)}") from error
    except ConfigurationError as error:
        raise CannotRunError(f"function {names.function}: {error}; run: {up_command(aws, names)}") from error
