"""How stockpipe talks to a person: options that every command shares, colours, errors and exit codes.

Exit codes: 0 = done and true; 1 = a check says no; 2 = it could not run, and one line says why and what to do;
130 = interrupted with Ctrl-C.
"""

import json
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleDimensions

from profiles.errors import CannotRunError, one_line
from profiles.names import Names
from profiles.session import BUILT_IN_PROFILE, NOT_AWS, Aws, open_profile

EXIT_CHECK_FAILED = 1
EXIT_CANNOT_RUN = 2

_WIDTH_WITHOUT_TERMINAL = 10_000  # characters: more than any row has


class LineConsole(Console):
    """A console that wraps for a person's terminal only: in a file or a pipe, a row of a table is one line for `grep`.

    Rich would take 80 columns there. COLUMNS, where it is set, is a wish that is kept.
    """

    @property  # type: ignore[misc]  # Rich's can be set, too; nobody does
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        found = super().size
        if self.is_terminal or os.environ.get("COLUMNS"):
            return found
        return ConsoleDimensions(_WIDTH_WITHOUT_TERMINAL, found.height)


# Rich leaves colour out by itself when the output is piped or NO_COLOR is set.
console = LineConsole(highlight=False)
errors = LineConsole(stderr=True, highlight=False)

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
        help="Bucket name; default: stock-data-<account>-us-east-2.",
        rich_help_panel="Environment",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

DEFAULT_PROFILE = BUILT_IN_PROFILE


@dataclass(frozen=True)
class Environment:
    """The AWS clients of a profile, and the names of one environment in that account."""

    aws: Aws
    names: Names


def open_environment(profile: str, prefix: str = "", bucket: str | None = None) -> Environment:
    """Resolve `--profile`, `--prefix` and `--bucket`. Asks STS for the account id. Raises `CannotRunError`."""
    aws = open_profile(profile)
    if aws.profile.remark:
        errors.print(aws.profile.remark, markup=False, soft_wrap=True)
    try:
        return Environment(aws, Names(aws.account, prefix, bucket))
    except ValueError as error:
        raise CannotRunError(str(error)) from error


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, default=str))


def run(app: typer.Typer) -> None:
    """Run a command line; what goes wrong becomes one line and an exit code. Typer itself ends usage errors with 2.

    What nobody foresaw is shown with its traceback and ends with 2, too: 1 would say that a check has been made.
    """
    try:
        app()
    except CannotRunError as error:
        _fail(str(error))
    except NOT_AWS as error:
        _fail(one_line(f"AWS refused: {error}"))
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(EXIT_CANNOT_RUN)


def _fail(text: str) -> None:
    errors.print("[bold red]error:[/] ", end="")
    errors.print(text, markup=False, soft_wrap=True)
    sys.exit(EXIT_CANNOT_RUN)
