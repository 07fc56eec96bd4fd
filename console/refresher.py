"""The one loop behind all browser tabs: it reads what is due, and less often the less is going on.

Pace: while somebody looks, every `interval` seconds; every `QUIET_SECONDS` once nothing has changed for a minute; every
`HIDDEN_SECONDS` while all tabs are hidden; not at all without a tab. A look or an action makes it read at once.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from console.model import FunctionFacts, Model, Seen, Trouble
from console.reading import ReadingList
from console.sources import Sources
from operations.alerts import Alert
from operations.deadletters import DeadLetter
from operations.function_log import Invocation
from operations.queues import Depth
from operations.records import StoredObject
from profiles.environment import MISSING_QUEUE_CODES, Environment, up_command
from profiles.errors import CannotRunError
from runtime.clock import Clock

QUIET_SECONDS: Final = 10.0
QUIET_AFTER_SECONDS: Final = 60.0
HIDDEN_SECONDS: Final = 60.0
FACTS_SECONDS: Final = 30.0
LOG_SECONDS: Final = 5.0
AGE_SECONDS: Final = 60.0
PEEK_SECONDS: Final = 60.0
LOG_LOOK_BACK_MS: Final = 300_000  # when the console starts
_LOG_OVERLAP_MS: Final = 15_000  # log events may arrive late

_logger = logging.getLogger(__name__)

_NOT_SET_UP: Final = ("NoSuchBucket", "ResourceNotFoundException", *MISSING_QUEUE_CODES)
_CREDENTIALS: Final = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")


@dataclass
class Reading:
    """What one refresh has read. What wasn't due, or failed, is None; `error` is the first failure."""

    depths: tuple[Depth, Depth, Depth] | None = None
    found: list[StoredObject] | None = None
    records: list[Seen] = field(default_factory=list)
    facts: FunctionFacts | None = None
    invocations: list[Invocation] | None = None
    age_was_due: bool = False
    oldest_seconds: float | None = None
    alerts: list[Alert] | None = None
    dead_letters: list[DeadLetter] | None = None
    error: Exception | None = None


class Refresher:
    """Keeps a `Model` fresh. Everything but `read` belongs to the event loop's thread."""

    def __init__(
        self,
        environment: Environment,
        sources: Sources,
        *,
        interval: float,
        clock: Clock,
    ) -> None:
        self.model = Model()
        self._environment = environment
        self._sources = sources
        self._interval = interval
        self._clock = clock
        self._tabs: dict[str, bool] = {}
        self._wake = asyncio.Event()
        self._unread = ReadingList()
        self._due: dict[str, float] = {}
        self._changed_at = clock.monotonic()
        self._read_at = float("-inf")
        self._log_since_ms = self._clock.now_ms() - LOG_LOOK_BACK_MS
        self._peeked: dict[str, Depth] = {}

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
        self._changed_at = self._clock.monotonic()
        self._peeked.clear()
        self._wake.set()

    def pace(self) -> float | None:
        """Seconds between refreshes; None while nobody looks."""
        if not self._tabs:
            return None
        if not any(self._tabs.values()):
            return HIDDEN_SECONDS
        quiet = self._clock.monotonic() - self._changed_at > QUIET_AFTER_SECONDS and self.model.trouble is None
        return max(self._interval, QUIET_SECONDS) if quiet else self._interval

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            self._wake.clear()
            pace = self.pace()
            if pace is not None:
                await self._refresh_or_report()
                pace = self.pace()
            try:
                await asyncio.wait_for(self._wake.wait(), pace)
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Read what is due and take it into the model."""
        if self._clock.monotonic() - self._read_at > 2 * QUIET_SECONDS:
            self.model.forget_rates()
        reading = await asyncio.to_thread(self.read)
        self._read_at = self._clock.monotonic()
        self._take(reading)

    async def _refresh_or_report(self) -> None:
        """What nobody foresaw must not end the loop unseen: it is logged, and shown like any other trouble."""
        try:
            await self.refresh()
        except Exception as error:
            _logger.exception("the console could not refresh")
            self._take(Reading(error=error))

    def read(self) -> Reading:
        """Call AWS for what is due, in a thread of its own. A failure ends it; what was read until then counts."""
        reading = Reading()
        try:
            self._read(reading)
        except (BotoCoreError, ClientError, CannotRunError, OSError) as error:
            reading.error = error
        return reading

    def _read(self, reading: Reading) -> None:
        sources = self._sources
        reading.depths = sources.depths()
        reading.found = sources.find_objects()
        self._unread.add(reading.found)
        reading.records = sources.read_records(self._unread.take())
        if self._is_due("facts", FACTS_SECONDS):
            reading.facts = sources.function_facts()
        if self._is_due("log", LOG_SECONDS):
            reading.invocations = sources.invocations(self._log_since_ms)
        if self._is_due("age", AGE_SECONDS):
            reading.age_was_due = True
            reading.oldest_seconds = sources.oldest_message_seconds()
        _, dead, inbox = reading.depths
        if self._worth_a_peek("alerts", inbox):
            reading.alerts = sources.alerts()
        if self._worth_a_peek("dead letters", dead):
            reading.dead_letters = sources.dead_letters()

    def _is_due(self, name: str, seconds: float) -> bool:
        now = self._clock.monotonic()
        if now < self._due.get(name, float("-inf")):
            return False
        self._due[name] = now + seconds
        return True

    def _worth_a_peek(self, name: str, depth: Depth) -> bool:
        """When the count changed, and now and then while there is something: AWS may show a part at a time."""
        changed = self._peeked.get(name) != depth
        self._peeked[name] = depth
        return changed or (depth.total > 0 and self._is_due(name, PEEK_SECONDS))

    def _take(self, reading: Reading) -> None:
        model = self.model
        before = (model.queue, model.dead, model.inbox, model.objects)
        if reading.depths:
            model.queue, model.dead, model.inbox = reading.depths
        if reading.found is not None:
            self._take_objects(reading)
        if reading.facts:
            model.function = reading.facts
        if reading.invocations is not None:
            self._take_invocations(reading.invocations)
        if reading.age_was_due:
            model.oldest_seconds = reading.oldest_seconds
        if reading.alerts is not None:
            model.see_alerts(reading.alerts, model.inbox.total if model.inbox else 0)
        if reading.dead_letters is not None:
            model.see_dead_letters(reading.dead_letters, model.dead.total if model.dead else 0)
        if reading.error is None:
            model.trouble = None
            model.refreshed_ms = self._clock.now_ms()
            model.sample(self._clock.monotonic(), model.refreshed_ms)
        else:
            self._take_error(reading.error)
        if before != (model.queue, model.dead, model.inbox, model.objects):
            self._changed_at = self._clock.monotonic()
        model.version += 1

    def _take_objects(self, reading: Reading) -> None:
        model, listing = self.model, self._sources.listing
        model.add_records(reading.records)
        model.unread = len(self._unread)
        model.objects_are_more = listing.full
        if not listing.complete:
            return
        count = len(listing.known)
        if model.objects is not None and count < model.objects and not listing.full:
            model.keep_only(listing.known)
        model.objects = count

    def _take_invocations(self, invocations: list[Invocation]) -> None:
        self.model.add_invocations(invocations)
        self.model.invoked_rate.sample(self._clock.monotonic(), self.model.invocations_total or 0)
        newest = max((invocation.at_ms for invocation in invocations), default=0)
        self._log_since_ms = max(self._log_since_ms, newest - _LOG_OVERLAP_MS)

    def _take_error(self, error: Exception) -> None:
        text, advice = explain(error, self._environment)
        since = self.model.trouble.since_ms if self.model.trouble else self._clock.now_ms()
        self.model.trouble = Trouble(text, advice, since)
        self._peeked.clear()
        self._due.clear()
        self.model.forget_rates()


def explain(error: Exception, environment: Environment) -> tuple[str, str]:
    """What is wrong, and what to do about it: one line each."""
    profile = environment.aws.profile
    where = profile.endpoint_url or "AWS"
    if isinstance(error, CannotRunError):
        return str(error), ""
    if isinstance(error, HTTPClientError | NoConnectionError | OSError):
        advice = "Start it with: stockpipe emulator start" if profile.endpoint_url else "Is the network there?"
        return f"Nothing answers at {where}.", advice
    code = _code(error)
    if code in _NOT_SET_UP:
        return f"Part of the environment is missing: {error}", f"Make it with: {up_command(environment)}"
    if code in _CREDENTIALS:
        return f"AWS did not accept the credentials of profile {profile.name}.", "Try: aws sso login"
    return f"{where} refused: {error}", ""


def _code(error: Exception) -> str:
    response: Any = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
