"""Amazon SNS: the alert topic and who is subscribed to it.

https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from bootstrap.model import Attributes, Call, Declared, Live, Output, Step, id_of, with_duplicates
from bootstrap.resources.errors import unless
from bootstrap.resources.tags import ENVIRONMENT_TAG, owner_in, tag_list
from profiles.session import Aws

KIND = "topic"
NOT_THERE = ("NotFound", "NotFoundException")
# What SNS gives instead of an ARN until somebody has clicked the link in the email.
PENDING = ("PendingConfirmation", "pending confirmation")
HOW_TO_CONFIRM = (
    "pending confirmation, so it gets no alerts yet: click the link in the mail from no-reply@sns.amazonaws.com (look "
    "into the spam folder, too)"
)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Someone who gets alerts by email, once the link in Amazon's mail has been clicked: `confirmed`."""

    address: str
    confirmed: bool


@dataclass(frozen=True)
class Topic(Declared):
    """A standard topic."""

    name: str
    arn: str
    tags: Mapping[str, str]
    kind = KIND
    after = ()

    def declared(self) -> Attributes:
        """The tags."""
        return {"Tags": dict(self.tags)}

    def read(self, aws: Aws) -> Live | None:
        """GetTopicAttributes, ListTagsForResource."""
        return unless(NOT_THERE, lambda: self._read(aws))

    def _read(self, aws: Aws) -> Live:
        aws.sns.get_topic_attributes(TopicArn=self.arn)
        tags = aws.sns.list_tags_for_resource(ResourceArn=self.arn).get("Tags", [])
        owner = owner_in(tags)
        return Live(
            self.arn,
            "active",
            {"Tags": {ENVIRONMENT_TAG: owner} if owner else {}},
            owner,
            outputs={"TopicArn": self.arn},
        )

    def create(self) -> tuple[Step, ...]:
        """CreateTopic; "InvalidParameter … Topic already exists with different tags" is a race."""
        return (
            Call(
                "sns",
                "CreateTopic",
                {"Name": self.name, "Tags": tag_list(self.tags)},
                outputs={"TopicArn": "TopicArn"},
                raced=("InvalidParameter",),
            ),
        )

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """TagResource."""
        return (Call("sns", "TagResource", {"ResourceArn": self.arn, "Tags": tag_list(self.tags)}, raced=NOT_THERE),)

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """DeleteTopic, which takes its pending subscriptions with it."""
        return (Call("sns", "DeleteTopic", {"TopicArn": self.arn}, accepted=NOT_THERE),)


@dataclass(frozen=True)
class Subscription(Declared):
    """A subscription to the alert topic. Its ARN says nothing, so protocol and endpoint are its identity."""

    topic: str
    topic_arn: str
    protocol: str
    endpoint: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    endpoint_resource: str | None = None
    kind = "subscription"

    @property
    def name(self) -> str:
        """`StockAlerts → sqs:StockAlertsInbox`."""
        return f"{self.topic} → {self.protocol}:{self.endpoint.rpartition(':')[2]}"

    @property
    def after(self) -> tuple[str, ...]:
        """The topic, and the queue that it delivers to."""
        return (f"{KIND} {self.topic}", *([self.endpoint_resource] if self.endpoint_resource else []))

    @property
    def part_of(self) -> str | None:
        """Subscriptions have no tags; they belong to whom the topic belongs to."""
        return f"{KIND} {self.topic}"

    def declared(self) -> Attributes:
        """The subscription attributes."""
        return dict(self.attributes)

    def read(self, aws: Aws) -> Live | None:
        """ListSubscriptionsByTopic, and the attributes once it is confirmed."""
        return unless(NOT_THERE, lambda: self._read(aws))

    def _read(self, aws: Aws) -> Live | None:
        pages = aws.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic_arn)
        arns = [
            found["SubscriptionArn"]
            for page in pages
            for found in page["Subscriptions"]
            if (found["Protocol"], found["Endpoint"]) == (self.protocol, self.endpoint)
        ]
        confirmed = [arn for arn in arns if arn not in PENDING]
        if arns and not confirmed:  # it has no ARN to tell it from another, or to remove it by
            return Live(arns[0], "pending confirmation", dict(self.attributes))
        return with_duplicates(unless(NOT_THERE, partial(self._live, aws, arn)) for arn in confirmed)

    def _live(self, aws: Aws, arn: str) -> Live:
        if not self.attributes:
            return Live(arn, "confirmed", {})
        attributes = aws.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        return Live(arn, "confirmed", attributes, outputs={"SubscriptionArn": arn})

    def create(self) -> tuple[Step, ...]:
        """Subscribe; the same protocol and endpoint again give the same subscription."""
        attributes = {"Attributes": dict(self.attributes)} if self.attributes else {}
        return (
            Call(
                "sns",
                "Subscribe",
                {
                    "TopicArn": self.topic_arn,
                    "Protocol": self.protocol,
                    "Endpoint": self.endpoint,
                    "ReturnSubscriptionArn": True,
                    **attributes,
                },
                raced=(*NOT_THERE, "InvalidParameter"),
            ),
        )

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """SetSubscriptionAttributes takes one attribute a call."""
        return tuple(
            Call(
                "sns",
                "SetSubscriptionAttributes",
                {
                    "SubscriptionArn": Output(id_of(self), "SubscriptionArn"),
                    "AttributeName": name,
                    "AttributeValue": value,
                },
                raced=NOT_THERE,
            )
            for name, value in self.attributes.items()
            if name in changed
        )

    def delete(self, live: Live) -> tuple[Step, ...]:
        """Unsubscribe; a pending one has no ARN to name it by and goes with the topic."""
        if live.arn in PENDING or live.state != "confirmed":
            return ()
        return (Call("sns", "Unsubscribe", {"SubscriptionArn": live.arn}, accepted=NOT_THERE),)


def email_subscribers(aws: Aws, topic_arn: str) -> list[Subscriber]:
    """The addresses that are subscribed to the topic, declared or not; none where there is no topic."""
    pages = aws.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    found = unless(NOT_THERE, lambda: [one for page in pages for one in page["Subscriptions"]]) or []
    return [
        Subscriber(one["Endpoint"], one["SubscriptionArn"] not in PENDING)
        for one in found
        if one["Protocol"] == "email"
    ]
