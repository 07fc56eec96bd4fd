"""The command-line options that make up `Settings`, written once for every command that takes them.

An option that isn't given has its default, also when an environment exists already: the command line declares a state.
So that nobody has to repeat it, each has an environment variable as well.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from bootstrap.settings import ObjectLayout, Settings
from profiles.errors import CannotRunError
from profiles.names import Names

# The account id that emulators have unless told otherwise.
EMULATED_ACCOUNT = "000000000000"

_PANEL = "Settings"


def _option(flag: str, text: str) -> Any:
    variable = "STOCKPIPE_" + flag.removeprefix("--").upper().replace("-", "_")
    return typer.Option(flag, help=text, envvar=variable, rich_help_panel=_PANEL)


def settings_from(
    names: Names,
    *,
    alert_threshold: Annotated[float, _option("--alert-threshold", "Alert at this price in dollars, or above.")] = 1200,
    alert_cooldown: Annotated[
        int, _option("--alert-cooldown", "One alert per symbol in each window of this many seconds; 0 = one per tick.")
    ] = 60,
    alert_email: Annotated[
        str | None, _option("--alert-email", "Email address for alerts; AWS asks it for confirmation.")
    ] = None,
    object_layout: Annotated[
        str, _option("--object-layout", "'tick': an object per tick. 'batch': one per symbol and batch.")
    ] = "tick",
    batch_size: Annotated[int, _option("--batch-size", "Maximum number of ticks in one batch.")] = 10,
    batch_window: Annotated[
        int, _option("--batch-window", "Seconds to wait for a full batch; at least 1 if --batch-size is above 10.")
    ] = 0,
    function_timeout: Annotated[int, _option("--function-timeout", "Seconds that one batch may take.")] = 10,
    memory: Annotated[int, _option("--memory", "Memory of the function in MB.")] = 256,
    visibility_timeout: Annotated[
        int | None,
        _option("--visibility-timeout", "Seconds; default: 6 times --function-timeout, plus --batch-window."),
    ] = None,
    max_receive_count: Annotated[
        int, _option("--max-receive-count", "Failed receives before a message is dead-lettered.")
    ] = 5,
    maximum_concurrency: Annotated[
        int | None, _option("--maximum-concurrency", "Maximum number of batches at once, 2 to 1000; default: no limit.")
    ] = None,
    log_retention: Annotated[int, _option("--log-retention", "Days that the function's logs are kept.")] = 14,
    log_level: Annotated[
        str, _option("--log-level", "What the function logs: DEBUG, INFO, WARNING or ERROR.")
    ] = "INFO",
    bytes_scanned_limit: Annotated[
        int, _option("--bytes-scanned-limit", "Athena cancels a query that scans more bytes; at least 10 MB.")
    ] = 100_000_000_000,
) -> Settings:
    """Settings from command-line options."""
    return Settings(
        names=names,
        alert_threshold=alert_threshold,
        alert_cooldown_seconds=alert_cooldown,
        alert_email=alert_email,
        object_layout=_layout(object_layout),
        batch_size=batch_size,
        batch_window_seconds=batch_window,
        function_timeout_seconds=function_timeout,
        memory_mb=memory,
        visibility_timeout_seconds=visibility_timeout,
        max_receive_count=max_receive_count,
        maximum_concurrency=maximum_concurrency,
        log_retention_days=log_retention,
        log_level=log_level,
        bytes_scanned_limit=bytes_scanned_limit,
    )


def names_for(account: str, prefix: str, bucket: str | None) -> Names:
    """The names in an account that nobody is asked about. Raises `CannotRunError` for an impossible prefix."""
    try:
        return Names(account, prefix, bucket)
    except ValueError as error:
        raise CannotRunError(str(error)) from error


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a Typer command the options above; it gets them as `settings`, a function from `Names` to `Settings`."""
    own = [parameter for name, parameter in inspect.signature(command).parameters.items() if name != "settings"]
    ours = [parameter for name, parameter in inspect.signature(settings_from).parameters.items() if name != "names"]

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        options = {parameter.name: given.pop(parameter.name) for parameter in ours}
        command(settings=functools.partial(settings_from, **options), **given)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *ours)]
    typed: Any = wrapped
    typed.__signature__ = inspect.Signature(parameters)
    typed.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def _layout(value: str) -> ObjectLayout:
    for known in get_args(ObjectLayout):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise CannotRunError(f"--object-layout {value}: it is one of {', '.join(get_args(ObjectLayout))}")
