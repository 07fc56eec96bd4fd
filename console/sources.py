"""All that the console reads, through AWS APIs with the chosen profile. Nothing here changes anything.

The methods block, may be called from any thread but not from two at once, and raise what boto3 raises.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError

from console.listing import RecordListing
from console.model import FunctionFacts, Seen
from console.reading import seen
from operations.alerts import Alert, peek_inbox
from operations.deadletters import DeadLetter, list_dead_letters
from operations.function_log import Invocation, failures_of, read_invocations
from operations.live_function import read_configuration, read_mapping, read_variables
from operations.queues import Depth, depth, oldest_message_seconds
from operations.records import StoredObject, read_object, side_by_side
from profiles.environment import Environment, queue_url
from profiles.errors import CannotRunError
from profiles.session import Aws
from runtime.settings import ConfigurationError

_LARGEST_OBJECT: Final = 16_000_000  # bytes that are read of one object; the function writes less
_EXPLAINED_AT_ONCE: Final = 5  # each is a search in the log
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


class Sources:
    """Reads one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._listing = RecordListing(environment)
        self._urls: dict[str, str] = {}
        self._reasons: dict[str, str] = {}

    @property
    def listing(self) -> RecordListing:
        """What is known of the bucket."""
        return self._listing

    def depths(self) -> tuple[Depth, Depth, Depth]:
        """The records' queue, the dead-letter queue and the inbox."""
        names = self._environment.names
        try:
            queue, dead, inbox = (
                depth(self._environment.aws, self._url(name))
                for name in (names.queue, names.dead_letter_queue, names.inbox_queue)
            )
        except ClientError:
            self._urls.clear()  # a queue that was made again may have another URL
            raise
        return queue, dead, inbox

    def find_objects(self) -> list[StoredObject]:
        """Objects with records that are new."""
        return self._listing.find()

    def read_records(self, keys: Sequence[str]) -> list[Seen]:
        """The records in these objects. Lines that break the data contract are left out, and objects that are gone."""
        objects = side_by_side(lambda key: read_object(self._environment, key, _LARGEST_OBJECT), keys)
        return [one for _, (found, _) in objects for one in seen(self._environment.contract, found)]

    def function_facts(self) -> FunctionFacts:
        """The live function's settings, and the state of its event source mapping."""
        names = self._environment.names
        found = read_mapping(self._environment, names.queue, names.function)
        mapping = found.get("State", "") if found else "no mapping"
        configuration = read_configuration(self._environment, names.function)
        if configuration is None:
            raise CannotRunError(f"there is no function {names.function}")
        try:
            told = read_variables(self._environment, configuration).settings
        except ConfigurationError as error:
            return FunctionFacts(mapping=mapping, trouble=str(error))
        limits = [rule.limit(told) for rule in self._environment.pipeline.rules]
        return FunctionFacts(threshold=min((one for one in limits if one is not None), default=None), mapping=mapping)

    def invocations(self, since_ms: int) -> list[Invocation]:
        """The invocations that the function's log shows since then."""
        return read_invocations(self._environment, since_ms=since_ms)

    def oldest_message_seconds(self) -> float | None:
        """Age of the oldest waiting message, where CloudWatch knows it."""
        return oldest_message_seconds(self._environment, datetime.now(UTC))

    def alerts(self) -> list[Alert]:
        """What is in the inbox."""
        return peek_inbox(self._environment)

    def dead_letters(self) -> list[DeadLetter]:
        """What is in the dead-letter queue. Why a valid one failed is in the function's log, if it is still there."""
        letters = list_dead_letters(self._environment)
        self._explain([letter for letter in letters if letter.is_valid])
        return [
            replace(letter, reason=f"{letter.reason}: {self._reasons[letter.message_id]}")
            if letter.message_id in self._reasons
            else letter
            for letter in letters
        ]

    def _explain(self, letters: Sequence[DeadLetter]) -> None:
        unknown = [letter for letter in letters if letter.message_id not in self._reasons]
        for letter in unknown[-_EXPLAINED_AT_ONCE:]:
            failures = failures_of(
                self._environment, message_id=letter.message_id, record_id=None, since_ms=letter.sent_ms
            )
            if failures:
                self._reasons[letter.message_id] = failures[-1].reason

    def _url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = queue_url(self._environment, name)
        return self._urls[name]
