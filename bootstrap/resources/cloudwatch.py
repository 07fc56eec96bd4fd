"""Amazon CloudWatch: alarms for what a person has to look at. They go to the alert topic.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import ADOPTABLE, Attributes, Call, Declared, Live, Step
from bootstrap.resources.tags import ENVIRONMENT_TAG, owner_in, tag_list
from profiles.session import Aws

KIND = "alarm"
NOT_THERE = ("ResourceNotFound", "ResourceNotFoundException")


@dataclass(frozen=True)
class Alarm(Declared):
    """A metric alarm. `configuration` as PutMetricAlarm names it."""

    name: str
    arn: str
    configuration: Mapping[str, Any]
    tags: Mapping[str, str]
    after: tuple[str, ...]
    kind = KIND

    def declared(self) -> Attributes:
        """The configuration and the tags."""
        return {**self.configuration, "Tags": dict(self.tags)}

    def read(self, aws: Aws) -> Live | None:
        """DescribeAlarms by name, ListTagsForResource."""
        found = aws.cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        if not found:
            return None
        tags = aws.cloudwatch.list_tags_for_resource(ResourceARN=self.arn).get("Tags", [])
        owner = owner_in(tags)
        attributes: dict[str, Any] = {key: value for key, value in found[0].items() if key in self.configuration}
        attributes["Tags"] = {ENVIRONMENT_TAG: owner} if owner else {}
        # Without a tag it may be what an interrupted `up` left: on LocalStack its tag is a second call.
        state = found[0].get("StateValue", "INSUFFICIENT_DATA")
        return Live(self.arn, state, attributes, owner, notes={ADOPTABLE: True})

    def create(self) -> tuple[Step, ...]:
        """PutMetricAlarm with its tag; TagResource as well, because LocalStack drops the tags of the first."""
        return self._put(Tags=tag_list(self.tags)), self._tag()

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """PutMetricAlarm sets everything but the tags, which it takes only when it makes an alarm."""
        steps: list[Step] = []
        if changed - {"Tags"}:
            steps.append(self._put())
        if "Tags" in changed:
            steps.append(self._tag())
        return tuple(steps)

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """DeleteAlarms."""
        return (Call("cloudwatch", "DeleteAlarms", {"AlarmNames": [self.name]}, accepted=NOT_THERE),)

    def _tag(self) -> Call:
        parameters = {"ResourceARN": self.arn, "Tags": tag_list(self.tags)}
        return Call("cloudwatch", "TagResource", parameters, raced=NOT_THERE)

    def _put(self, **more: Any) -> Call:
        return Call("cloudwatch", "PutMetricAlarm", {"AlarmName": self.name, **self.configuration, **more})


def queue_metric(queue: str, metric: str, threshold: float) -> dict[str, Any]:
    """The part of an alarm's configuration that names a metric of a queue and its threshold."""
    return {
        "Namespace": "AWS/SQS",
        "MetricName": metric,
        "Dimensions": [{"Name": "QueueName", "Value": queue}],
        "Statistic": "Maximum",
        "Threshold": float(threshold),
    }
