"""`console`: the live page."""

from typing import Annotated

import typer

from bootstrap.options import with_settings
from bootstrap.settings import Settings
from terminal import DEFAULT_PROFILE, BucketOption, PrefixOption, ProfileOption, console, finite, open_environment

app = typer.Typer()

DEFAULT_PORT = 8321
LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - inside a container only


@app.command("console")
@with_settings
def show(
    *,
    settings: Settings,
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the page; 0 takes any free one.")
    ] = DEFAULT_PORT,
    in_container: Annotated[
        bool,
        typer.Option(
            "--in-container", help="Listen on all of a container's addresses; publish its port on loopback only."
        ),
    ] = False,
    interval: Annotated[
        float,
        typer.Option("--interval", min=0.5, callback=finite, help="Seconds between refreshes while something happens."),
    ] = 2.0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Watch the pipeline live: one page on this machine, read through AWS APIs. Ctrl-C ends it.

    The settings say what `Resources` compares with: give the ones that `up` was given.
    """
    from console.app import serve  # noqa: PLC0415 - takes a second to import, which no other command should pay

    serve(
        open_environment(profile, prefix, bucket),
        settings,
        host=EVERY_ADDRESS if in_container else LOOPBACK,
        port=port,
        interval=interval,
        open_browser=browser,
        announce=lambda url: console.print(f"stockpipe console: {url}  (Ctrl-C ends it)", soft_wrap=True),
    )
