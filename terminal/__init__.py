"""How stockpipe talks to a person: options that every command shares, colours, errors and exit codes.

Exit codes: 0 = done and true; 1 = a check says no; 2 = it could not run, and one line says why and what to do;
130 = interrupted with Ctrl-C.
"""

import json
import math
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment

from profiles import pipeline as pipelines
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import BUILT_IN_PROFILE, NOT_AWS, open_profile
from terminal.untrusted import never_fail_to_print, one_line, printable

EXIT_CHECK_FAILED = 1
EXIT_CANNOT_RUN = 2

_LONGEST_PATH = 200  # characters of a path in an error
_LONGEST_ANSWER = 2000  # characters of what AWS answered
_WIDTH_WITHOUT_TERMINAL = 10_000  # characters: more than any row has


class LineConsole(Console):
    """A console that wraps for a person's terminal only: in a file or a pipe, a row of a table is one line for `grep`.

    Rich would take 80 columns there. COLUMNS overrides the detected width. Whatever is printed, control characters in
    it are shown escaped (`terminal.untrusted`); callers escape by themselves only where a table measures the text.
    """

    @property  # type: ignore[misc]  # Rich's can be set, too; nobody does
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        found = super().size
        if self.is_terminal or os.environ.get("COLUMNS"):
            return found
        return ConsoleDimensions(_WIDTH_WITHOUT_TERMINAL, found.height)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of the renderable, safe for a terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


# Rich leaves colour out by itself when the output is piped or NO_COLOR is set.
console = LineConsole(highlight=False, emoji=False)
errors = LineConsole(stderr=True, highlight=False, emoji=False)

ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        envvar="STOCKPIPE_PROFILE",
        help="AWS profile. 'local' is built in: always an emulator, at localhost:4566 or AWS_ENDPOINT_URL.",
        rich_help_panel="Environment",
    ),
]
PrefixOption = Annotated[
    str,
    typer.Option(
        "--prefix",
        envvar="STOCKPIPE_PREFIX",
        help="Prefix before every resource name, so that several environments share one account.",
        rich_help_panel="Environment",
    ),
]
BucketOption = Annotated[
    str | None,
    typer.Option(
        "--bucket",
        envvar="STOCKPIPE_BUCKET",
        help="Bucket name; default: <name in the pipeline>-<account>-us-east-2.",
        rich_help_panel="Environment",
    ),
]
PipelineOption = Annotated[
    str | None,
    typer.Option(
        "--pipeline",
        envvar=pipelines.VARIABLE,
        help="Folder of the pipeline; default: the stock-tick example.",
        rich_help_panel="Environment",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

DEFAULT_PROFILE = BUILT_IN_PROFILE


def open_environment(
    profile: str, prefix: str = "", bucket: str | None = None, pipeline: str | None = None
) -> Environment:
    """The environment of `--pipeline`, `--profile`, `--prefix` and `--bucket`. Asks STS for the account id.

    Raises `CannotRunError`.
    """
    found = pipelines.load(pipeline)
    aws = open_profile(profile)
    if aws.profile.remark:
        errors.print(aws.profile.remark, markup=False, soft_wrap=True)
    try:
        return Environment(found, aws, Names(found.names, aws.account, prefix, bucket))
    except ValueError as error:
        raise CannotRunError(str(error)) from error


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, default=str))


def finite(value: float | None) -> float | None:
    """Callback of options that take a fraction: refuses `nan` and `inf`, which Python reads as numbers."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def run(app: typer.Typer) -> None:
    """Run a command line; what goes wrong becomes one line and an exit code. Typer itself ends usage errors with 2.

    What nobody foresaw is shown with its traceback and ends with 2, too: 1 would say that a check has been made.
    """
    never_fail_to_print()
    try:
        with _ended_by_signals():
            _check_arguments(sys.argv[1:])
            app()
    except CannotRunError as error:
        _fail(str(error))
    except NOT_AWS as error:
        _fail(one_line(f"AWS refused: {error}", _LONGEST_ANSWER))
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:  # a file that an argument names
            _fail(f"{one_line(str(error.filename), _LONGEST_PATH)}: {error.strerror}")
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(EXIT_CANNOT_RUN)


def _check_arguments(arguments: list[str]) -> None:
    """Refuse arguments that are not text: file systems, AWS APIs and encodings don't accept them unchanged."""
    for argument in arguments:
        if "\0" in argument or (not argument.isascii() and argument != argument.encode(errors="replace").decode()):
            raise CannotRunError(f"the argument {argument[:80]!r} is not valid UTF-8 text")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise an exception, so that messages are made visible again and processes are stopped."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    # `nohup` ignores SIGHUP, and that is kept.
    taken = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set `stop`; a second one raises `KeyboardInterrupt`."""

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(text: str) -> None:
    errors.print("[bold red]error:[/] ", end="")
    errors.print(text, markup=False, soft_wrap=True)
    sys.exit(EXIT_CANNOT_RUN)
