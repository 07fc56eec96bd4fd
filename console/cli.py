"""`stockpipe console`: the live page."""

from typing import Annotated

from cyclopts import Parameter

from bootstrap.options import with_settings
from bootstrap.settings import Settings
from terminal import say
from terminal.commands import number
from terminal.environment import HERE, Where

LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - inside a container only


@with_settings
def console(
    *,
    settings: Settings,
    where: Where = HERE,
    port: Annotated[int, number(least=0, most=65535)] = 8321,
    in_container: bool = False,
    interval: Annotated[float, number(least=0.5)] = 2.0,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
) -> None:
    """Watch the pipeline live: one page on this machine, read through AWS APIs. Ctrl-C ends it.

    The settings say what `Resources` compares with: give the ones that `up` was given.

    Args:
        port: Port of the page; 0 takes any free one.
        in_container: Listen on all of a container's addresses; publish its port on loopback only.
        interval: Seconds between refreshes while something happens.
        browser: Open the page in a browser.
    """
    from console.app import serve  # noqa: PLC0415 - takes a second to import, which `--help` should not pay

    serve(
        where.open(),
        settings,
        host=EVERY_ADDRESS if in_container else LOOPBACK,
        port=port,
        interval=interval,
        open_browser=browser,
        announce=lambda url: say(f"stockpipe console: {url}  (Ctrl-C ends it)"),
    )
