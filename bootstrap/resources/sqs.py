"""Amazon SQS: queues, and which queue may use a dead-letter queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import Attributes, Call, Declared, Live, Output, Patience, Step, id_of
from bootstrap.resources.errors import unless
from bootstrap.resources.tags import ENVIRONMENT_TAG
from profiles.environment import MISSING_QUEUE_CODES
from profiles.session import Aws

KIND = "queue"
EXISTS_OTHERWISE = ("QueueAlreadyExists", "QueueNameExists")
DELETED_RECENTLY = "AWS.SimpleQueueService.QueueDeletedRecently"
DELETED_RECENTLY_SECONDS = 60

_JSON_ATTRIBUTES = frozenset({"Policy", "RedrivePolicy", "RedriveAllowPolicy"})

_WAIT_FOR_THE_NAME = Patience(
    DELETED_RECENTLY,
    "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    DELETED_RECENTLY_SECONDS + 15,
    "somebody keeps deleting this queue",
)
_WAIT_FOR_THE_DEAD_LETTER_QUEUE = Patience(
    "InvalidParameterValue",
    "Dead letter target does not exist",
    60,
    "the dead-letter queue was deleted meanwhile: run it again",
)


@dataclass(frozen=True)
class Queue(Declared):
    """A standard queue. `attributes` as SQS names them; numbers as strings, policies as objects."""

    name: str
    attributes: Mapping[str, Any]
    tags: Mapping[str, str]
    after: tuple[str, ...] = ()
    kind = KIND

    def declared(self) -> Attributes:
        """The attributes, and the tags under `Tags`."""
        return {**self.attributes, "Tags": dict(self.tags)}

    def read(self, aws: Aws) -> Live | None:
        """GetQueueUrl, GetQueueAttributes, ListQueueTags."""
        return unless(MISSING_QUEUE_CODES, lambda: _read_queue(aws, self.name))

    def create(self) -> tuple[Step, ...]:
        """One call: a queue never exists without its attributes."""
        parameters = {"QueueName": self.name, "Attributes": _encoded(self.attributes), "tags": dict(self.tags)}
        return (
            Call(
                "sqs",
                "CreateQueue",
                parameters,
                outputs={"QueueUrl": "QueueUrl"},
                raced=EXISTS_OTHERWISE,
                patience=(_WAIT_FOR_THE_NAME, _WAIT_FOR_THE_DEAD_LETTER_QUEUE),
            ),
        )

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """SetQueueAttributes with what changed, TagQueue where the tag is missing."""
        steps: list[Step] = []
        if attributes := {key: value for key, value in self.attributes.items() if key in changed}:
            steps.append(_call(self, "SetQueueAttributes", Attributes=_encoded(attributes)))
        if "Tags" in changed:
            steps.append(_call(self, "TagQueue", Tags=dict(self.tags)))
        return tuple(steps)

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """DeleteQueue, with the messages in it."""
        return (_call(self, "DeleteQueue", accepted=MISSING_QUEUE_CODES),)


@dataclass(frozen=True)
class RedriveAllowPolicy(Declared):
    """Which queue may use a dead-letter queue. It needs the source queue, which needs the dead-letter queue first."""

    name: str
    source: str
    source_arn: str
    kind = "redrive allow policy"

    @property
    def after(self) -> tuple[str, ...]:
        """Both queues."""
        return (f"{KIND} {self.name}", f"{KIND} {self.source}")

    @property
    def part_of(self) -> str | None:
        """The dead-letter queue."""
        return f"{KIND} {self.name}"

    def declared(self) -> Attributes:
        """Only the source queue."""
        return {"RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": [self.source_arn]}}

    def read(self, aws: Aws) -> Live | None:
        """The attribute of the dead-letter queue; None where that isn't set."""
        queue = unless(MISSING_QUEUE_CODES, lambda: _read_queue(aws, self.name))
        return queue if queue and "RedriveAllowPolicy" in queue.attributes else None

    def create(self) -> tuple[Step, ...]:
        """SetQueueAttributes on the dead-letter queue."""
        return (
            Call(
                "sqs",
                "SetQueueAttributes",
                {"QueueUrl": Output(f"{KIND} {self.name}", "QueueUrl"), "Attributes": _encoded(self.declared())},
                raced=MISSING_QUEUE_CODES,
            ),
        )

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """The same as making it."""
        return self.create()

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """Nothing: it goes with the dead-letter queue."""
        return ()


def _read_queue(aws: Aws, name: str) -> Live:
    url = aws.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    raw = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    tags = aws.sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    owner = tags.get(ENVIRONMENT_TAG)
    attributes: dict[str, Any] = {key: _decoded(key, value) for key, value in raw.items() if value != ""}
    attributes["Tags"] = {ENVIRONMENT_TAG: owner} if owner else {}
    return Live(
        arn=raw["QueueArn"],
        state=f"about {raw.get('ApproximateNumberOfMessages', '0')} messages",
        attributes=attributes,
        owner=owner,
        outputs={"QueueUrl": url},
    )


def _call(queue: Queue, operation: str, accepted: tuple[str, ...] = (), **parameters: Any) -> Call:
    url = Output(id_of(queue), "QueueUrl")
    raced = () if accepted else MISSING_QUEUE_CODES
    return Call("sqs", operation, {"QueueUrl": url, **parameters}, accepted=accepted, raced=raced)


def _encoded(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}


def _decoded(key: str, value: str) -> Any:
    if key not in _JSON_ATTRIBUTES:
        return value
    decoded = json.loads(value)
    if key == "RedrivePolicy" and "maxReceiveCount" in decoded:
        # AWS stores the number as it was sent; people and other tools send it as a string.
        decoded["maxReceiveCount"] = int(decoded["maxReceiveCount"])
    return decoded
