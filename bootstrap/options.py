"""The settings as options: of `bootstrap.settings`, and of the function of the pipeline that the command line names.

An option that isn't given has its default, also when an environment exists already: the command line declares a state.
So that nobody has to repeat it, each has an environment variable as well.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, make_dataclass
from typing import Annotated, Any, get_type_hints

from cyclopts import Parameter

from bootstrap.settings import Settings
from profiles.errors import CannotRunError
from runtime.settings import FunctionSettings, settings_of
from terminal.commands import option
from terminal.environment import named_pipeline

# The account id that emulators have unless told otherwise.
EMULATED_ACCOUNT = "000000000000"


class with_settings:  # noqa: N801 - a decorator
    """A command with an option for each setting; it gets them as `settings`, which are `Settings`.

    The options are made each time that a command line is read: they follow from its pipeline.
    """

    def __init__(self, command: Callable[..., bool | None]) -> None:
        self._command = command
        self.__name__, self.__doc__ = command.__name__, command.__doc__
        self.__annotations__ = {name: kind for name, kind in command.__annotations__.items() if name != "settings"}

    @property
    def __signature__(self) -> inspect.Signature:
        """The command's, with options in place of `settings`."""
        found, options = inspect.signature(self._command), _options()
        as_options = found.parameters["settings"].replace(annotation=options, default=options())
        return found.replace(parameters=[*dict(found.parameters, settings=as_options).values()])

    def __call__(self, settings: Any = None, **given: Any) -> bool | None:
        """Run the command."""
        of_function, settings = named_pipeline().settings, settings or _options()()
        own, function = ({name: getattr(settings, name) for name in settings_of(of)} for of in (Settings, of_function))
        return self._command(settings=Settings(of_function(**function), **own), **given)


def _options() -> type[Any]:
    """A dataclass of all settings, as Cyclopts reads it."""
    of_function: type[FunctionSettings] = FunctionSettings
    with suppress(CannotRunError):  # the command itself says that the folder is no pipeline
        of_function = named_pipeline().settings
    both = [*_fields(of_function), *_fields(Settings)]
    ours = {"__module__": __name__}  # Cyclopts looks for no options in classes of Python's own modules
    return Parameter(name="*", group="Settings")(make_dataclass("Options", both, namespace=ours, frozen=True))


def _fields(owner: type[Any]) -> Iterator[tuple[str, Any, Any]]:
    hints, about = get_type_hints(owner), settings_of(owner)
    for one in fields(owner):
        if setting := about.get(one.name):
            values = f" [{setting.range_in_words}]" if setting.range_in_words else ""
            yield one.name, Annotated[hints[one.name], option(setting.flag, help=setting.help + values)], one.default
