"""Amazon CloudWatch: alarms for what a person has to look at. They go to the alert topic.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import Attributes, Live, Step
from bootstrap.resource import WITHOUT_RESOURCE, Resource, tag_map
from bootstrap.resources.sns import Topic
from profiles.names import Names
from profiles.session import Aws


@dataclass(frozen=True)
class Condition:
    """A metric of what is watched has reached a value in one of the last `minutes`. `name` says what that means.

    `missing`: what minutes without data mean, as TreatMissingData names it. By default nothing happened in them.
    """

    watched: Resource
    name: str
    namespace: str
    metric: str
    dimension: tuple[str, str]
    statistic: str
    at_least: float
    minutes: int = 1
    missing: str = "notBreaching"


@dataclass(frozen=True)
class Alarm(Resource):
    """An alarm on a condition, that tells a topic."""

    when: Condition
    why: str
    tell: Topic
    kind = "alarm"
    service = "cloudwatch"
    arn_resource = "alarm:{}"
    named_by = "AlarmName"
    not_there = ("ResourceNotFound", "ResourceNotFoundException")
    # DescribeAlarms answers in full only if it is allowed for everything.
    allowed = (
        ("Alarms", "DeleteAlarms ListTagsForResource PutMetricAlarm TagResource"),
        (WITHOUT_RESOURCE, "DescribeAlarms"),
    )
    cloudformation = "AWS::CloudWatch::Alarm"

    @property
    def names(self) -> Names:
        """Those of the topic."""
        return self.tell.names

    @property
    def name(self) -> str:
        """`StockQueue-oldest-message`: all alarms are named after what they watch."""
        return f"{self.when.watched.name}-{self.when.name}"

    def attributes(self) -> Attributes:
        """As PutMetricAlarm names them."""
        dimension, value = self.when.dimension
        return {
            "AlarmDescription": self.why,
            "AlarmActions": [self.tell.arn],
            "Period": 60,
            "EvaluationPeriods": self.when.minutes,
            **({"DatapointsToAlarm": 1} if self.when.minutes > 1 else {}),
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": self.when.missing,
            "Namespace": self.when.namespace,
            "MetricName": self.when.metric,
            "Dimensions": [{"Name": dimension, "Value": value}],
            "Statistic": self.when.statistic,
            "Threshold": float(self.when.at_least),
        }

    def look(self, aws: Aws) -> Live | None:
        """DescribeAlarms by name, ListTagsForResource."""
        found = aws.cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        if not found:
            return None
        tags = tag_map(aws.cloudwatch.list_tags_for_resource(ResourceARN=self.arn).get("Tags", []))
        # Without a tag it may be what an interrupted `up` left: on LocalStack its tag is a second call.
        return self.live(found[0].get("StateValue", "INSUFFICIENT_DATA"), found[0], tags, adoptable=True)

    def create(self) -> Iterable[Step]:
        """PutMetricAlarm with its tag; TagResource as well, because LocalStack drops the tags of the first."""
        yield self.call("PutMetricAlarm", **self.attributes(), Tags=self.tags)
        yield self.tag()

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """PutMetricAlarm sets everything but the tags, which it takes only when it makes an alarm."""
        yield self.call("PutMetricAlarm", **self.attributes())

    def delete(self, live: Live) -> Iterable[Step]:  # noqa: ARG002
        """DeleteAlarms."""
        yield self.call("DeleteAlarms", named=False, AlarmNames=[self.name], accepted=self.not_there)

    @property
    def allowed_on(self) -> tuple[str, ...]:
        """All alarms of what is watched."""
        return (self.names.arn(self.service, self.arn_resource.format(f"{self.when.watched.name}-*")),)

    def properties(self) -> Mapping[str, Any]:
        """Its name and attributes."""
        return {"AlarmName": self.name, **self.attributes()}
