"""The command-line options that make up `Settings`, made from the settings' fields for every command that takes them.

An option that isn't given has its default, also when an environment exists already: the command line declares a state.
So that nobody has to repeat it, each has an environment variable as well.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Annotated, Any, get_type_hints

import typer

from bootstrap.settings import Settings
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.pipeline import Pipeline, load
from runtime.settings import FunctionSettings, settings_of

# The account id that emulators have unless told otherwise.
EMULATED_ACCOUNT = "000000000000"

_PANEL = "Settings"


def names_for(pipeline: Pipeline, account: str, prefix: str, bucket: str | None) -> Names:
    """The names in an account that nobody is asked about. Raises `CannotRunError` for an impossible prefix."""
    try:
        return Names(pipeline.names, account, prefix, bucket)
    except ValueError as error:
        raise CannotRunError(str(error)) from error


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a Typer command an option for each setting; it gets them as `settings`, which are `Settings`."""
    of_function = _function_settings()
    own = [parameter for name, parameter in inspect.signature(command).parameters.items() if name != "settings"]
    ours, functions = list(_parameters(Settings)), list(_parameters(of_function))

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        function = of_function(**{one.name: given.pop(one.name) for one in functions})
        command(settings=Settings(function, **{one.name: given.pop(one.name) for one in ours}), **given)

    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *functions, *ours)]
    typed: Any = wrapped
    typed.__signature__ = inspect.Signature(parameters)
    typed.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def _function_settings() -> type[FunctionSettings]:
    try:
        return load().settings
    except CannotRunError:  # each command says so when it opens the environment
        return FunctionSettings


def _parameters(owner: type[Any]) -> Iterator[inspect.Parameter]:
    hints, about = get_type_hints(owner), settings_of(owner)
    for one in fields(owner):
        if setting := about.get(one.name):
            variable = "STOCKPIPE_" + setting.flag.removeprefix("--").upper().replace("-", "_")
            option: Any = typer.Option(setting.flag, help=setting.help, envvar=variable, rich_help_panel=_PANEL)
            yield inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=one.default,
                annotation=Annotated[hints[one.name], option],
            )
