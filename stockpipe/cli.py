"""Which commands are there? Each room has its own; here they become one command line."""

import inspect
from importlib.metadata import version
from typing import Annotated

import typer

from analytics.cli import app as analytics_app
from bootstrap.cli import app as bootstrap_app
from bootstrap.export_cli import app as export_app
from console.cli import app as console_app
from emulator.cli import app as emulator_app
from operations.cli import app as operations_app
from producer.cli import app as producer_app
from stockpipe.demo import app as demo_app
from terminal import run

app = typer.Typer(
    name="stockpipe",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="A stock-tick pipeline on AWS (SQS → Lambda → S3 + SNS) that runs on this machine with no account.\n\n"
    "Start with [bold]stockpipe demo[/]. Every command takes --profile: 'local' is the emulator, any other is a "
    "profile of your AWS configuration.",
)


def _add(room: typer.Typer, panel: str) -> None:
    """Take a room's commands over, under a heading of their own in `--help`."""
    _put_under(room, panel)
    app.add_typer(room)


def _put_under(room: typer.Typer, panel: str) -> None:
    for command in room.registered_commands:
        command.rich_help_panel = panel
    for group in room.registered_groups:
        group.rich_help_panel = panel
        if group.typer_instance and not isinstance(group.name, str):
            _put_under(group.typer_instance, panel)  # its commands stand beside the room's own


def _join_lines(app: typer.Typer) -> None:
    """Make each paragraph of every docstring one line: Typer keeps the source's line breaks in all but the first."""
    for command in app.registered_commands:
        text = command.help or inspect.getdoc(command.callback) or ""
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    for group in app.registered_groups:
        if group.typer_instance:
            _join_lines(group.typer_instance)


_add(demo_app, "Start here")
app.add_typer(
    emulator_app,
    name="emulator",
    help="Start, stop and look at an AWS emulator on this machine.",
    rich_help_panel="Start here",
)
_add(bootstrap_app, "Resources")
app.add_typer(
    export_app,
    name="export",
    help="Write the declaration as a CloudFormation template, or the policies and files that go with it.",
    rich_help_panel="Resources",
)
_add(producer_app, "Ticks")
_add(operations_app, "Operations")
_add(analytics_app, "History")
_add(console_app, "Operations")
_join_lines(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stockpipe {version('stockpipe')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the command line as a whole."""


def main() -> None:
    """The `stockpipe` command."""
    run(app)
