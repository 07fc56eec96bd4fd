"""The one way to make a command: a function whose parameters are its options, as Cyclopts reads them.

    def status(*, where: Where = HERE, as_json: Json = False) -> bool:

`Where` (`terminal.environment`) has the options of an environment. The docstring is the help, with
options under `Args:`. A command returns False where a check says no (exit code 1), and raises `CannotRunError` where it
can't run (exit code 2).
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
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, get_args

from cyclopts import App, CycloptsError, Group, Parameter, Token
from cyclopts.help import HelpPanel, InlineText
from cyclopts.help.formatters import DefaultFormatter, PlainFormatter
from cyclopts.validators import Number
from rich.console import Console, ConsoleOptions
from rich.text import Text

import terminal
from profiles.errors import CannotRunError
from terminal.untrusted import never_fail_to_print, one_line

_ROOMS = Path(__file__).resolve().parents[1]
_LONGEST_PATH = 200  # characters of a path in an error
_LONGEST_ANSWER = 2000  # characters of what AWS answered, or of what is wrong with an argument
_LONG_WORD = re.compile(r"(?<=\S{60})\S{20,}")  # in a value, which would hide what is wrong with it
_INTERRUPTED = 130
_WHOLE = re.compile(r"[+-]?[0-9]{1,4000}")  # digits that Python reads

# The folder that `--pipeline` names, which is needed before the command line is read: its settings are options.
PIPELINE: ContextVar[str | None] = ContextVar("pipeline", default=None)
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


def number(least: float | None = None, most: float | None = None) -> Parameter:
    """An option that takes a number in this range."""
    return Parameter(converter=_exact, validator=Number(gte=least, lte=most))


def _exact(hint: Any, tokens: Sequence[Token]) -> str | float:
    """The text, or the number in it. Cyclopts would take `nan` and `inf`, too, and round to a whole number."""
    text, kinds = tokens[0].value, (hint, *get_args(hint))
    if str in kinds:
        return text
    if float in kinds:
        if math.isfinite(found := float(text)):
            return found
        raise ValueError(f"{found} is not a finite number.")
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{one_line(repr(text), _LONGEST_PATH)} is not a whole number.")
    return int(text)


AtLeastOne = Annotated[int, number(least=1)]
Json = Annotated[bool, Parameter(name="--json", help="Print JSON for scripts.")]
Follow = Annotated[bool, Parameter(name=("--follow", "-f"), help="Go on with what comes, until Ctrl-C.")]


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
    """A command with commands of its own, or with a default one, whose docstring is the help then."""
    app = App(
        name=name,
        help=about or None,
        help_format="plaintext",
        help_formatter=_Help(),
        help_flags="--help",
        version_flags=more.pop("version_flags", ()),
        group_parameters=Group.create_default_parameters("Options"),
        default_parameter=Parameter(negative=(), allow_repeating=True, show_default=_shown_default),
        **more,
    )
    app["--help"].group = "Options"
    return app


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
            PIPELINE.set(_NAMED_PIPELINE.parse_known_args(given)[0].pipeline)
            _call(app, given)
    except CycloptsError as error:
        called = " ".join((*app.name, *(error.command_chain or ())))
        _fail(f"{one_line(_LONG_WORD.sub('…', str(error)), _LONGEST_ANSWER)} See: {called} --help")
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
