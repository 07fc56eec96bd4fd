"""Amazon SQS: queues, and which queue may use a dead-letter queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import Attributes, Call, Live, Patience, Step
from bootstrap.policies import Grant, PolicyDocument, document
from bootstrap.resource import NameRule, Resource, Template
from bootstrap.resources.cloudwatch import Condition
from bootstrap.resources.sns import Topic
from profiles.environment import MISSING_QUEUE_CODES
from profiles.names import Names
from profiles.session import Aws

DELETED_RECENTLY_SECONDS = 60

_DAY_SECONDS = 86_400
_JSON_ATTRIBUTES = frozenset({"Policy", "RedrivePolicy", "RedriveAllowPolicy"})
# SQS counts the age of a message until it has been received three times: an ordinary retry takes up to three visibility
# timeouts. The fourth is for the function's own time and for metrics that come late.
_VISIBILITY_TIMEOUTS_OF_A_RETRY = 4
_LEAST_AGE_SECONDS = 300


@dataclass(frozen=True)
class Queue(Resource):
    """A standard queue, encrypted with SQS's own keys.

    With `dead_letters`, a message goes there after `max_receive_count` receives. With `receives_from`, that topic may
    send to it, and nobody else outside the account's own policies. A message's age counts from when it was first sent,
    also in a dead-letter queue: so that one needs the most `keep_days`.
    """

    names: Names
    name: str
    keep_days: int = 4
    visibility_seconds: int | None = None
    dead_letters: "Queue | None" = None
    max_receive_count: int = 5
    receives_from: Topic | None = None
    kind = "queue"
    service = "sqs"
    output = "QueueUrl"
    tag_list = False
    deleted_by = "DeleteQueue"
    allowed = (
        ("Queues", "CreateQueue DeleteQueue GetQueueAttributes GetQueueUrl ListQueueTags SetQueueAttributes TagQueue"),
    )
    cloudformation = "AWS::SQS::Queue"
    not_there = MISSING_QUEUE_CODES
    name_rule = NameRule(
        80,
        "InvalidParameterValue",
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html",
    )
    patience = (
        Patience(
            "AWS.SimpleQueueService.QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            DELETED_RECENTLY_SECONDS + 15,
            "somebody keeps deleting this queue",
        ),
        Patience(
            "InvalidParameterValue",
            "Dead letter target does not exist",
            60,
            "the dead-letter queue was deleted meanwhile: run it again",
        ),
    )

    @property
    def policy(self) -> PolicyDocument | None:
        """Only the topic may send. https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html"""
        if self.receives_from is None:
            return None
        return document(
            {
                "Sid": "AlertTopicSends",
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": self.arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": self.receives_from.arn}},
            }
        )

    @property
    def redrive_policy(self) -> Attributes | None:
        """When a message is dead-lettered."""
        if self.dead_letters is None:
            return None
        return {"deadLetterTargetArn": self.dead_letters.arn, "maxReceiveCount": self.max_receive_count}

    def attributes(self) -> Attributes:
        """As SQS names them; numbers as strings, policies as objects."""
        wanted = {
            "VisibilityTimeout": None if self.visibility_seconds is None else str(self.visibility_seconds),
            "MessageRetentionPeriod": str(self.keep_days * _DAY_SECONDS),
            "SqsManagedSseEnabled": "true",
            "RedrivePolicy": self.redrive_policy,
            "Policy": self.policy,
        }
        return {key: value for key, value in wanted.items() if value is not None}

    def look(self, aws: Aws) -> Live:
        """GetQueueUrl, GetQueueAttributes, ListQueueTags."""
        url = aws.sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        raw = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        attributes = {str(key): _decoded(key, value) for key, value in raw.items() if value != ""}
        state = f"about {raw.get('ApproximateNumberOfMessages', '0')} messages"
        tags = aws.sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
        return self.live(state, attributes, tags, arn=raw["QueueArn"], outputs={"QueueUrl": url}, notes=attributes)

    def create(self) -> Iterable[Step]:
        """One call: a queue never exists without its attributes."""
        yield self.call(
            "CreateQueue",
            named=False,
            QueueName=self.name,
            Attributes=_encoded(self.attributes()),
            tags=self.tags,
            raced=("QueueAlreadyExists", "QueueNameExists"),
        )

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """SetQueueAttributes with what changed."""
        wanted = {key: value for key, value in self.attributes().items() if key in changed}
        yield self.call("SetQueueAttributes", Attributes=_encoded(wanted))

    def tag(self, live: Live | None = None) -> Call:  # noqa: ARG002
        """TagQueue."""
        return self.call("TagQueue", Tags=self.tags)

    def properties(self) -> Mapping[str, Any]:
        """Numbers and booleans as such; the policy is a resource of its own."""
        typed = {"MessageRetentionPeriod": self.keep_days * _DAY_SECONDS, "SqsManagedSseEnabled": True}
        if self.visibility_seconds is not None:
            typed["VisibilityTimeout"] = self.visibility_seconds
        others = {key: value for key, value in self.attributes().items() if key != "Policy"}
        return {"QueueName": self.name, **others, **typed}

    def template(self) -> Template:
        """The queue, and its policy. A reference is the queue's URL, whatever that is where this is deployed."""
        policy = {"PolicyDocument": self.policy, "Queues": [{"Ref": self.id}]}
        return {**super().template(), **({"AWS::SQS::QueuePolicy": policy} if self.policy else {})}

    def consuming(self, sid: str) -> Grant:
        """What an event source mapping needs: it polls with the function's role."""
        return Grant(sid, ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"), self.arn, self)

    def when(self, name: str, metric: str, at_least: float, **more: Any) -> Condition:
        """A condition on one of the queue's metrics, with the highest value of a minute."""
        return Condition(self, name, "AWS/SQS", metric, ("QueueName", self.name), "Maximum", at_least, **more)

    def not_empty(self) -> Condition:
        """There are messages: for a dead-letter queue.

        SQS stops reporting a queue that nobody has used for six hours, with or without messages in it: then the alarm
        stays as it is. Whoever reads messages hides them for a while: so the alarm goes on for five minutes.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
        """
        return self.when("not-empty", "ApproximateNumberOfMessagesVisible", 1, minutes=5, missing="ignore")

    def falling_behind(self) -> Condition:
        """A message is older than an ordinary retry makes it. SQS reports no age for an empty queue."""
        retry = _VISIBILITY_TIMEOUTS_OF_A_RETRY * (self.visibility_seconds or 0)
        return self.when("oldest-message", "ApproximateAgeOfOldestMessage", max(_LEAST_AGE_SECONDS, retry))


@dataclass(frozen=True)
class RedriveAllowPolicy(Resource):
    """Which queues may use a dead-letter queue. It needs the source queues, which need the dead-letter queue first."""

    dead_letters: Queue
    sources: tuple[Queue, ...]
    kind = "redrive allow policy"
    service = "sqs"
    tagged = ""
    not_there = MISSING_QUEUE_CODES
    cloudformation = "AWS::SQS::Queue"

    @property
    def names(self) -> Names:
        """Those of the dead-letter queue."""
        return self.dead_letters.names

    @property
    def name(self) -> str:
        """That of the dead-letter queue."""
        return self.dead_letters.name

    @property
    def part_of(self) -> Resource:
        """The dead-letter queue."""
        return self.dead_letters

    def attributes(self) -> Attributes:
        """Only the source queues."""
        sources = [queue.arn for queue in self.sources]
        return {"RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": sources}}

    def look(self, aws: Aws) -> Live | None:
        """The attribute of the dead-letter queue; None where that isn't set."""
        queue = self.dead_letters.look(aws)
        attributes = {key: value for key, value in queue.notes.items() if key in self.attributes()}
        return Live(queue.arn, queue.state, attributes) if attributes else None

    def create(self) -> Iterable[Step]:
        """SetQueueAttributes on the dead-letter queue."""
        yield self.dead_letters.call("SetQueueAttributes", Attributes=_encoded(self.attributes()))

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """The same as making it."""
        return self.create()

    def delete(self, live: Live) -> Iterable[Step]:  # noqa: ARG002
        """Nothing: it goes with the dead-letter queue."""
        return ()

    def properties(self) -> Mapping[str, Any]:
        """A property of the dead-letter queue."""
        return self.attributes()


def _encoded(attributes: Attributes) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}


def _decoded(key: str, value: str) -> Any:
    if key not in _JSON_ATTRIBUTES:
        return value
    decoded: Mapping[str, Any] = json.loads(value)
    if key == "RedrivePolicy" and "maxReceiveCount" in decoded:
        # AWS stores the number as it was sent; people and other tools send it as a string.
        return {**decoded, "maxReceiveCount": int(decoded["maxReceiveCount"])}
    return decoded
