"""The console as a server: one refresher, any number of tabs, on loopback."""

import asyncio
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Final, TypeVar

import uvicorn
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui

from analytics.history import run_query
from analytics.result import Result
from bootstrap import ResourceStatus, Settings, status
from console import text
from console.actions import send_record
from console.calls import CallCounter
from console.guard import Guard
from console.page import Actions, Page
from console.refresher import Refresher, explain
from console.sources import ImpatientAws, Sources
from operations.deadletters import Redrive, redrive_all, redrive_one
from producer.source import simulate
from profiles.environment import Environment
from profiles.errors import CannotRunError
from runtime.clock import Clock
from runtime.fields import Record

_SERVICES: Final = ("sqs", "s3", "lambda", "logs", "cloudwatch", "iam", "sns", "sts", "athena", "glue")
_FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#0072B2"/>'
    '<path d="M4 16l5-5 4 4 7-8" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/></svg>'
)
_Answer = TypeVar("_Answer")


class Console:
    """Everything behind the page, for one environment."""

    def __init__(self, environment: Environment, settings: Settings, *, interval: float) -> None:
        self._environment = replace(environment, aws=ImpatientAws(environment.aws))
        self._settings = settings
        self._clock = Clock()
        self._example = next(simulate(environment.pipeline, seed=0, start=self._clock.now()).records())
        self._counter = CallCounter(self._clock.monotonic)
        self._counter.watch(self._environment.aws, *_SERVICES)
        self._refresher = Refresher(self._environment, Sources(self._environment), interval=interval, clock=self._clock)

    async def show(self) -> None:
        """Build the page for one tab and keep it while the tab is there."""
        client = ui.context.client
        actions = Actions(self._send, self._redrive, self._query, self._resources, self._tab_seen)
        page = Page(
            environment=self._environment,
            example=self._example,
            model=self._refresher.model,
            spending=self._counter.spending,
            now_ms=self._clock.now_ms,
            actions=actions,
        )
        client.on_delete(lambda: self._refresher.lose(client.id))
        await client.connected()
        if not client.is_deleted:  # somebody fetched the page without being a browser
            await page.start()

    @asynccontextmanager
    async def refreshing(self, _: FastAPI) -> AsyncIterator[None]:
        """The background loop, for as long as the server runs."""
        loop = asyncio.create_task(self._refresher.run())
        try:
            yield
        finally:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop

    def _tab_seen(self, tab: str, visible: bool) -> None:
        self._refresher.see(tab, visible=visible)

    async def _send(self, record: Record) -> str:
        accepted = await self._try(lambda: send_record(self._environment, record))
        value = getattr(record, self._environment.contract.charted)
        return f"Sent {record.group} at {text.number(value)}: SQS message {accepted.message_id}"

    async def _redrive(self, message_id: str | None) -> Redrive:
        if message_id is None:
            return await self._try(lambda: redrive_all(self._environment))
        return await self._try(lambda: redrive_one(self._environment, message_id))

    async def _query(self, name: str, engine: str | None) -> Result:
        return await self._try(lambda: run_query(self._environment, name, engine))

    async def _resources(self) -> Sequence[ResourceStatus]:
        return await self._try(lambda: status(self._environment, self._settings))

    async def _try(self, call: Callable[[], _Answer]) -> _Answer:
        """Call AWS in a thread; then read again at once. What AWS refuses becomes one line for the person."""
        try:
            return await asyncio.to_thread(call)
        except (BotoCoreError, ClientError, CannotRunError, OSError) as error:
            raise RuntimeError(" ".join(part for part in explain(error, self._environment) if part)) from error
        finally:
            self._refresher.hurry()


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
    console = Console(environment, settings, interval=interval)
    listener = _listen(host, port)
    url = _url(listener)

    @asynccontextmanager
    async def life(application: FastAPI) -> AsyncIterator[None]:
        async with console.refreshing(application):
            announce(url)
            if open_browser:
                webbrowser.open(url)
            yield

    application = FastAPI(lifespan=life, openapi_url=None)
    ui.run_with(
        application,
        root=console.show,
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
        Guard(application), log_level="warning", ws="wsproto", timeout_graceful_shutdown=1, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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
