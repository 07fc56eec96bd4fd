"""The one way to make a command: a function whose parameters are its options, as Cyclopts reads them.

    def status(*, where: Where = HERE, as_json: Json = False) -> bool:

Its docstring is the help, with options under `Args:`. It returns False where a check says no (exit code 1), and raises
`CannotRunError` where it can't run (exit code 2).
"""

import ast
import math
import os
import re
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_args

from cyclopts import App, CycloptsError, Group, Parameter, Token
from cyclopts.help import HelpPanel, InlineText
from cyclopts.help.formatters import DefaultFormatter, PlainFormatter
from cyclopts.validators import Number
from rich.console import Console, ConsoleOptions
from rich.text import Text

import terminal
from profiles.errors import CannotRunError
from terminal.untrusted import never_fail_to_print, one_line

if TYPE_CHECKING:  # they import boto3, which takes longer than all that `--help` needs
    from profiles.environment import Environment
    from profiles.names import Names
    from profiles.pipeline import Pipeline

_ROOMS = Path(__file__).resolve().parents[1]
_LONGEST_PATH = 200  # characters of a path in an error
_LONGEST_ANSWER = 2000  # characters of what AWS answered, or of what is wrong with an argument
_INTERRUPTED = 130
_WHOLE = re.compile(r"[+-]?[0-9]{1,4000}")  # digits that Python reads

# The folder that `--pipeline` names, which is needed before the command line is read: its settings are options.
_PIPELINE: ContextVar[str | None] = ContextVar("pipeline", default=None)
_NAMED_PIPELINE = ArgumentParser(add_help=False, allow_abbrev=False)
_NAMED_PIPELINE.add_argument("--pipeline", nargs="?")


def variable_of(flag: str) -> str:
    """The environment variable of an option: `STOCKPIPE_BATCH_SIZE` for `--batch-size`."""
    return "STOCKPIPE_" + flag.removeprefix("--").upper().replace("-", "_")


def option(flag: str, **about: Any) -> Parameter:
    """An option that has an environment variable as well; an empty one is as good as none."""
    return Parameter(
        name=flag,
        env_var=variable_of(flag),
        env_var_split=lambda _type, value, **_: [value] if value else [],
        converter=_exact,
        **about,
    )


def number(least: float | None = None, most: float | None = None, *, name: str | None = None) -> Parameter:
    """An option that takes a number in this range. `nan` and `inf`, which Python reads as numbers, are refused."""
    return Parameter(name=name, converter=_exact, validator=(_finite, Number(gte=least, lte=most)))


def _exact(hint: Any, tokens: Sequence[Token]) -> str | float:
    """The text, or the number in it: whole ones in decimal digits only, where Cyclopts would round fractions."""
    text, kinds = tokens[0].value, (hint, *get_args(hint))
    if str in kinds:
        return text
    if float in kinds:
        return float(text)
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{one_line(repr(text), _LONGEST_PATH)} is not a whole number.")
    return int(text)


def _finite(_hint: Any, value: float | None) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number.")


AtLeastOne = Annotated[int, number(least=1)]
Json = Annotated[bool, Parameter(name="--json", help="Print JSON for scripts.")]
Follow = Annotated[bool, Parameter(name=("--follow", "-f"), help="Go on with what comes, until Ctrl-C.")]


@Parameter(name="*", group="Environment")
@dataclass(frozen=True, kw_only=True)
class Naming:
    """The pipeline, and what its resources are called."""

    prefix: Annotated[str, option("--prefix")] = ""
    """Prefix before every resource name, so that several environments share one account."""
    bucket: Annotated[str | None, option("--bucket")] = None
    """Bucket name; default: <name in the pipeline>-<account>-us-east-2."""
    pipeline: Annotated[str | None, option("--pipeline")] = None
    """Folder of the pipeline; default: the stock-tick example."""

    def names(self, account: str) -> "Names":
        """The names in an account that nobody is asked about. Raises `CannotRunError` for an impossible prefix."""
        from profiles.names import Names  # noqa: PLC0415
        from profiles.pipeline import load  # noqa: PLC0415

        try:
            return Names(load(self.pipeline).names, account, self.prefix, self.bucket)
        except ValueError as error:
            raise CannotRunError(str(error)) from error

    def at(self, profile: str) -> "Environment":
        """The environment of a profile. Asks STS for the account id. Raises `CannotRunError`."""
        from profiles.environment import Environment  # noqa: PLC0415
        from profiles.pipeline import load  # noqa: PLC0415
        from profiles.session import open_profile  # noqa: PLC0415

        pipeline, aws = load(self.pipeline), open_profile(profile)
        if aws.profile.remark:
            terminal.note(aws.profile.remark)
        return Environment(pipeline, aws, self.names(aws.account))


@Parameter(name="*", group="Environment")
@dataclass(frozen=True, kw_only=True)
class Where(Naming):
    """The environment that a command is about."""

    profile: Annotated[str, option("--profile")] = "local"
    """AWS profile. 'local' is built in: always an emulator, at localhost:4566 or AWS_ENDPOINT_URL."""

    def open(self) -> "Environment":
        """The environment. Raises `CannotRunError`."""
        return self.at(self.profile)


HERE = Where()  # the default of every command's `where`


def named_pipeline() -> "Pipeline":
    """The pipeline of the command that is run: for its options. Raises `CannotRunError`."""
    from profiles.pipeline import load  # noqa: PLC0415

    return load(_PIPELINE.get())


class _Help:
    """Help in panels on a terminal, elsewhere in plain lines. A paragraph of a docstring is one line, which wraps."""

    @property
    def _formatter(self) -> DefaultFormatter | PlainFormatter:
        return DefaultFormatter() if terminal.console.is_terminal else PlainFormatter()

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """The line `Usage: …`."""
        self._formatter.render_usage(console, options, usage)

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """What the command does."""
        self._formatter.render_description(console, options, _unbroken(description))

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """A panel of options or commands."""
        for entry in panel.entries:
            _unbroken(entry.description)
        self._formatter(console, options, panel)


def _unbroken(shown: Any) -> Any:
    """Join the lines of each paragraph; indented lines, which are examples, stay."""
    if isinstance(shown, InlineText) and isinstance(shown.primary_renderable, Text):
        shown.primary_renderable = Text(re.sub(r"(?<=\S)\n(?=\S)", " ", shown.primary_renderable.plain))
    return shown


def command_line(name: str, about: str, **more: Any) -> App:
    """A command with commands of its own."""
    return App(
        name=name,
        help=about,
        help_format="plaintext",
        help_formatter=_Help(),
        help_flags="--help",
        version_flags=more.pop("version_flags", ()),
        group_parameters=Group.create_default_parameters("Options"),
        default_parameter=Parameter(negative=(), allow_repeating=True, show_default=_shown_default),
        **more,
    )


def _shown_default(value: Any) -> str | None:
    return None if value is None or value is False or value == "" else str(value)


def add_lazily(app: App, groups: dict[str, dict[str, str]]) -> None:
    """Add commands by group, name and `module:function`. A module is imported when its command runs.

    The help in the list is read from the source: it is the docstring of the function, or of the module of an `App`.
    """
    for title, commands in groups.items():
        group = Group.create_ordered(title)
        for position, (name, path) in enumerate(commands.items()):
            app.command(path, name=name, group=group, sort_key=position, help=_docstring(path))


def _docstring(path: str) -> str:
    module, _, name = path.partition(":")
    tree = ast.parse((_ROOMS / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    return ast.get_docstring(functions.get(name, tree)) or ""


def run(app: App, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line; what goes wrong becomes one line and an exit code.

    What nobody foresaw is shown with its traceback and ends with 2, too: 1 would say that a check has been made.
    """
    never_fail_to_print()
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with _ended_by_signals():
            _check_arguments(given)
            _PIPELINE.set(_NAMED_PIPELINE.parse_known_args(given)[0].pipeline)
            _call(app, given)
    except CycloptsError as error:
        called = " ".join(("stockpipe", *(error.command_chain or ())))
        _fail(f"{one_line(str(error), _LONGEST_ANSWER)} See: {called} --help")
    except CannotRunError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(terminal.EXIT_CHECK_FAILED)
    except Exception as error:
        from profiles.session import NOT_AWS  # noqa: PLC0415

        if isinstance(error, NOT_AWS):
            _fail(one_line(f"AWS refused: {error}", _LONGEST_ANSWER))
        if isinstance(error, OSError) and error.filename is not None:  # a file that an argument names
            _fail(f"{one_line(str(error.filename), _LONGEST_PATH)}: {error.strerror}")
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(terminal.EXIT_CANNOT_RUN)
    sys.exit()


def _call(app: App, arguments: list[str]) -> None:
    """Call the command, which ends with its exit code; where only a group is named, show its help."""
    _, apps, left = app.parse_commands(arguments)
    if not left and apps[-1].default_command is None:
        app.help_print(arguments, console=terminal.console)
        sys.exit(terminal.EXIT_CANNOT_RUN)
    app(
        arguments,
        exit_on_error=False,
        print_error=False,
        console=terminal.console,
        error_console=terminal.errors,
    )


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


def _fail(text: str) -> NoReturn:
    terminal.errors.print("[bold red]error:[/] ", end="")
    terminal.note(text)
    sys.exit(terminal.EXIT_CANNOT_RUN)
