"""Amazon SNS: the alert topic and who is subscribed to it.

https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bootstrap.model import Attributes, Live, Step, Violation, with_duplicates
from bootstrap.policies import Grant
from bootstrap.resource import WITHOUT_RESOURCE, NameRule, Resource, tag_map, unless
from profiles.names import Names
from profiles.session import Aws

NOT_THERE = ("NotFound", "NotFoundException")
# What SNS gives instead of an ARN until somebody has clicked the link in the email.
PENDING = ("PendingConfirmation", "pending confirmation")
HOW_TO_CONFIRM = (
    "pending confirmation, so it gets no alerts yet: click the link in the mail from no-reply@sns.amazonaws.com (look "
    "into the spam folder, too)"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Someone who gets alerts by email, once the link in Amazon's mail has been clicked: `confirmed`."""

    address: str
    confirmed: bool


@dataclass(frozen=True)
class Topic(Resource):
    """A standard topic."""

    names: Names
    name: str
    kind = "topic"
    service = "sns"
    tags_on = "ResourceArn"
    deleted_by = "DeleteTopic"  # which takes its pending subscriptions with it
    allowed = (("Topic", "CreateTopic DeleteTopic GetTopicAttributes ListTagsForResource TagResource"),)
    cloudformation = "AWS::SNS::Topic"
    not_there = NOT_THERE
    name_rule = NameRule(
        256,
        "InvalidParameter: Invalid parameter: Topic Name",
        "https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html",
    )

    @property
    def identity(self) -> Attributes:
        """Its ARN."""
        return {"TopicArn": self.arn}

    def attributes(self) -> Attributes:
        """None but the tags."""
        return {}

    def look(self, aws: Aws) -> Live:
        """GetTopicAttributes, ListTagsForResource."""
        aws.sns.get_topic_attributes(TopicArn=self.arn)
        return self.live("active", {}, tag_map(aws.sns.list_tags_for_resource(ResourceArn=self.arn).get("Tags", [])))

    def create(self) -> Iterable[Step]:
        """CreateTopic; "InvalidParameter … Topic already exists with different tags" is a race."""
        yield self.call("CreateTopic", named=False, Name=self.name, Tags=self.tags, raced=("InvalidParameter",))

    def properties(self) -> Mapping[str, Any]:
        """Its name."""
        return {"TopicName": self.name}

    def publishing(self, sid: str) -> Grant:
        """What a function needs to alert."""
        return Grant(sid, ("sns:Publish",), self.arn, self)


@dataclass(frozen=True)
class Subscription(Resource):
    """A queue or an email address that is subscribed to a topic.

    Its ARN says nothing, so protocol and endpoint are its identity. A queue gets the message in its SNS envelope,
    with the Subject, or with `raw` the message alone. An email subscription that isn't declared any more is
    left alone: a person confirmed it, and only they can again.
    """

    topic: Topic
    subscriber: Resource | str
    raw: bool = False
    kind = "subscription"
    service = "sns"
    output = "SubscriptionArn"
    tagged = ""
    allowed = (
        ("Topic", "ListSubscriptionsByTopic Subscribe"),
        (WITHOUT_RESOURCE, "GetSubscriptionAttributes SetSubscriptionAttributes Unsubscribe"),
    )
    cloudformation = "AWS::SNS::Subscription"
    not_there = NOT_THERE

    @property
    def names(self) -> Names:
        """Those of the topic."""
        return self.topic.names

    @property
    def protocol(self) -> str:
        """As SNS names it."""
        return "email" if isinstance(self.subscriber, str) else "sqs"

    @property
    def endpoint(self) -> str:
        """The address, or the queue's ARN."""
        return self.subscriber if isinstance(self.subscriber, str) else self.subscriber.arn

    @property
    def name(self) -> str:
        """`StockAlerts → sqs:StockAlertsInbox`."""
        return f"{self.topic.name} → {self.protocol}:{self.endpoint.rpartition(':')[2]}"

    @property
    def part_of(self) -> Resource:
        """The topic: subscriptions have no tags."""
        return self.topic

    def attributes(self) -> dict[str, str]:
        """The subscription attributes."""
        return {} if self.protocol == "email" else {"RawMessageDelivery": str(self.raw).lower()}

    def look(self, aws: Aws) -> Live | None:
        """ListSubscriptionsByTopic, and the attributes once it is confirmed."""
        pages = aws.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic.arn)
        arns = [
            found["SubscriptionArn"]
            for page in pages
            for found in page["Subscriptions"]
            if (found["Protocol"], found["Endpoint"]) == (self.protocol, self.endpoint)
        ]
        confirmed = [arn for arn in arns if arn not in PENDING]
        if arns and not confirmed:  # it has no ARN to tell it from another, or to remove it by
            return Live(arns[0], "pending confirmation", self.attributes())
        return with_duplicates(unless(NOT_THERE, partial(self._confirmed, aws, arn)) for arn in confirmed)

    def _confirmed(self, aws: Aws, arn: str) -> Live:
        wanted = self.attributes()
        found = aws.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"] if wanted else {}
        attributes = {key: found.get(key) for key in wanted}
        return Live(arn, "confirmed", attributes, outputs={"SubscriptionArn": arn})

    def create(self) -> Iterable[Step]:
        """Subscribe; the same protocol and endpoint again give the same subscription."""
        attributes: dict[str, Any] = {"Attributes": self.attributes()} if self.attributes() else {}
        yield self.call(
            "Subscribe",
            named=False,
            TopicArn=self.topic.arn,
            Protocol=self.protocol,
            Endpoint=self.endpoint,
            ReturnSubscriptionArn=True,
            **attributes,
            raced=(*NOT_THERE, "InvalidParameter"),
        )

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """SetSubscriptionAttributes takes one attribute a call."""
        for name, value in self.attributes().items():
            if name in changed:
                yield self.call("SetSubscriptionAttributes", AttributeName=name, AttributeValue=value)

    def delete(self, live: Live) -> Iterable[Step]:
        """Unsubscribe; a pending one has no ARN to name it by and goes with the topic."""
        if live.arn not in PENDING and live.state == "confirmed":
            yield self.call("Unsubscribe", named=False, SubscriptionArn=live.arn, accepted=NOT_THERE)

    def violations(self) -> Iterator[Violation]:
        """An email address that is none."""
        if self.protocol == "email" and not _EMAIL.fullmatch(self.endpoint):
            text = "InvalidParameter: Invalid parameter: Email address"
            page = "https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"
            yield Violation("an alert email is an address", self.endpoint, text, page)

    @property
    def allowed_on(self) -> tuple[str, ...]:
        """The topic."""
        return (self.topic.arn,)

    def properties(self) -> Mapping[str, Any]:
        """Topic, endpoint and attributes."""
        properties = {"TopicArn": self.topic.arn, "Protocol": self.protocol, "Endpoint": self.endpoint}
        return {**properties, **{key: value == "true" for key, value in self.attributes().items()}}


def email_subscribers(aws: Aws, topic_arn: str) -> list[Subscriber]:
    """The addresses that are subscribed to the topic, declared or not; none where there is no topic."""
    pages = aws.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    found = unless(NOT_THERE, lambda: [one for page in pages for one in page["Subscriptions"]]) or []
    return [
        Subscriber(one["Endpoint"], one["SubscriptionArn"] not in PENDING)
        for one in found
        if one["Protocol"] == "email"
    ]
