"""The one loop behind all browser tabs: it reads what is due, and less often the less is going on.

Pace: while somebody looks, every `interval` seconds; every `QUIET_SECONDS` once nothing has changed for a minute; every
`HIDDEN_SECONDS` while all tabs are hidden; not at all without a tab. It reads at once when a tab becomes visible, and
after an action.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from console.model import Model, Sources, Trouble, Update
from profiles.environment import MISSING_QUEUE_CODES, Environment, up_command
from profiles.errors import CannotRunError

QUIET_SECONDS: Final = 10.0
QUIET_AFTER_SECONDS: Final = 60.0
HIDDEN_SECONDS: Final = 60.0
REFUSALS: Final = (BotoCoreError, ClientError, CannotRunError, OSError)

T = TypeVar("T")
_logger = logging.getLogger(__name__)

_NOT_SET_UP: Final = ("NoSuchBucket", "ResourceNotFoundException", *MISSING_QUEUE_CODES)
_CREDENTIALS: Final = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")


class Refresher:
    """Keeps a `Model` fresh: `read` in any thread, then `take` in the thread that shows it; `run` does so for tabs."""

    def __init__(self, sources: Sources, *, interval: float) -> None:
        self.model = Model()
        self.environment = sources.environment
        self.clock = sources.clock
        self._sources = sources
        self._interval = interval
        self._tabs: dict[str, bool] = {}
        self._wake = asyncio.Event()
        self._changed_at = self.clock.monotonic()
        self._read_at = float("-inf")

    def see(self, tab: str, *, visible: bool) -> None:
        """A tab is there, and can or can't be seen."""
        looked_at = any(self._tabs.values())
        self._tabs[tab] = visible
        if visible and not looked_at:
            self.hurry()

    def lose(self, tab: str) -> None:
        """A tab was closed."""
        self._tabs.pop(tab, None)

    def hurry(self) -> None:
        """Read now, and keep the quick pace for a while: somebody did something."""
        self._changed_at = self.clock.monotonic()
        self._sources.hurry()
        self._wake.set()

    async def act(self, call: Callable[[], T]) -> T:
        """Do what a person asked for: call AWS in a thread, then read again at once.

        Raises `RuntimeError` with one line for the person where AWS refuses.
        """
        try:
            return await asyncio.to_thread(call)
        except REFUSALS as error:
            raise RuntimeError(" ".join(filter(None, explain(error, self.environment)))) from error
        finally:
            self.hurry()

    def pace(self) -> float | None:
        """Seconds between refreshes; None while nobody looks."""
        if not self._tabs:
            return None
        if not any(self._tabs.values()):
            return HIDDEN_SECONDS
        quiet = self.clock.monotonic() - self._changed_at > QUIET_AFTER_SECONDS and self.model.trouble is None
        return max(self._interval, QUIET_SECONDS) if quiet else self._interval

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            self._wake.clear()
            pace = self.pace()
            if pace is not None:
                try:
                    await self.refresh()
                except Exception as error:  # a defect must not end the loop unseen
                    self._fail(error, self.model)
                pace = self.pace()
            try:
                await asyncio.wait_for(self._wake.wait(), pace)
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Read what is due and take it into the model."""
        self.take(await asyncio.to_thread(self.read))

    def read(self) -> list[Update]:
        """Call AWS for what is due. A failure ends it, and is the last update; what was read until then counts."""
        return list(self._updates())

    def _updates(self) -> Iterator[Update]:
        try:
            yield from self._sources.read()
            yield self._succeed
        except Exception as error:
            yield partial(self._fail, error)

    def take(self, updates: list[Update]) -> None:
        """Change the model by what was read."""
        model, before = self.model, self._moving()
        if self.clock.monotonic() - self._read_at > 2 * QUIET_SECONDS:
            model.forget_rates()
        self._read_at = self.clock.monotonic()
        for update in updates:
            update(model)
        if before != self._moving():
            self._changed_at = self.clock.monotonic()
        model.version += 1

    def _moving(self) -> tuple[object, ...]:
        """What says that something is going on."""
        return self.model.queue, self.model.dead, self.model.inbox, self.model.objects

    def _succeed(self, model: Model) -> None:
        model.trouble = None
        model.refreshed_ms = self.clock.now_ms()
        model.sample(self.clock.monotonic(), model.refreshed_ms)

    def _fail(self, error: Exception, model: Model) -> None:
        """Show what went wrong; what nobody foresaw is logged, too."""
        if not isinstance(error, REFUSALS):
            _logger.error("could not refresh the figures", exc_info=error)
        text, advice = explain(error, self.environment)
        model.trouble = Trouble(text, advice, model.trouble.since_ms if model.trouble else self.clock.now_ms())
        model.version += 1
        model.forget_rates()
        self._sources.hurry()


def explain(error: Exception, environment: Environment) -> tuple[str, str]:
    """What is wrong, and what to do about it: one line each."""
    profile = environment.aws.profile
    where = profile.endpoint_url or "AWS"
    if isinstance(error, CannotRunError):
        return str(error), ""
    if isinstance(error, HTTPClientError | NoConnectionError | OSError):
        advice = "Start it with: stockpipe emulator start" if profile.endpoint_url else "Check the network connection"
        return f"Nothing answers at {where}.", advice
    response: Any = getattr(error, "response", {})
    code = response.get("Error", {}).get("Code", "")
    if code in _NOT_SET_UP:
        return f"Part of the environment is missing: {error}", f"Make it with: {up_command(environment)}"
    if code in _CREDENTIALS:
        return f"AWS did not accept the credentials of profile {profile.name}.", "Try: aws sso login"
    return f"{where} refused: {error}", ""
