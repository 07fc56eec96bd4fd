"""The console as a server: one refresher, any number of tabs, on loopback."""

import asyncio
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Final

import uvicorn
from botocore.config import Config
from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui

from bootstrap import Settings
from console.calls import CallCounter
from console.guard import guarded
from console.model import Sources
from console.page import Page
from console.refresher import Refresher
from producer.source import simulate
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.session import Aws
from runtime.clock import Clock

_SERVICES: Final = ("sqs", "s3", "lambda", "logs", "cloudwatch", "iam", "sns", "sts", "athena", "glue")
_FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#0072B2"/>'
    '<path d="M4 16l5-5 4 4 7-8" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/></svg>'
)
# The page asks again anyway: a refresh that hangs in retries would hide that nothing answers.
_IMPATIENT: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=2, read_timeout=15, max_pool_connections=16
)


class ImpatientAws(Aws):
    """The same profile, with clients that give up soon."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws.profile, aws._session)

    def _make(self, service: str, config: Config) -> Any:
        return super()._make(service, config.merge(_IMPATIENT))


def serve(
    environment: Environment,
    settings: Settings,
    *,
    host: str,
    port: int,
    interval: float,
    open_browser: bool,
    announce: Callable[[str], None],
) -> None:
    """Serve the console until interrupted; port 0 takes any free one. Raises `CannotRunError` for a port in use."""
    clock = Clock()
    environment = replace(environment, aws=ImpatientAws(environment.aws))
    counter = CallCounter(clock.monotonic)
    counter.watch(environment.aws, *_SERVICES)
    refresher = Refresher(Sources(environment, clock), interval=interval)
    example = next(simulate(environment.pipeline, seed=0, start=clock.now()).records())
    listener = _listen(host, port)
    url = _url(listener)

    async def show() -> None:
        """Build the page for one tab and keep it while the tab is there."""
        client = ui.context.client
        page = Page(refresher, settings, counter, example)
        client.on_delete(lambda: refresher.lose(client.id))
        await client.connected()
        if not client.is_deleted:  # the page was fetched by something else than a browser
            await page.start()

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.create_task(refresher.run())
        announce(url)
        if open_browser:
            webbrowser.open(url)
        try:
            yield
        finally:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop

    application = FastAPI(lifespan=life, openapi_url=None)
    ui.run_with(
        application,
        root=show,
        title="stockpipe",
        favicon=_FAVICON,
        dark=None,
        language="en-US",
        reconnect_timeout=10.0,
        tailwind=False,
        show_welcome_message=False,
    )
    nicegui_app.config.socket_io_js_transports = ["websocket"]
    # uvicorn has its own limits on a shutdown; a tab that stays open must not hold it up.
    config = uvicorn.Config(
        guarded(application), log_level="warning", ws="wsproto", timeout_graceful_shutdown=1, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotRunError(
            f"the console can't listen on {host}:{port}: {error.strerror or error}. Choose another --port"
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    if ip_address(address).is_unspecified:  # a container: the page is reached through a port published on loopback
        address = "127.0.0.1"
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
