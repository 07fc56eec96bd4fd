"""Amazon CloudWatch Logs: a function's log group, made before the function so that it has a retention.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import Attributes, Live, Step
from bootstrap.policies import Grant
from bootstrap.resource import WITHOUT_RESOURCE, Resource
from profiles.names import Names
from profiles.session import Aws


@dataclass(frozen=True)
class LogGroup(Resource):
    """A log group; `retention_days` is one of the values that CloudWatch Logs knows."""

    names: Names
    name: str
    retention_days: int
    kind = "log group"
    service = "logs"
    arn_resource = "log-group:{}"
    named_by = "logGroupName"
    tagged = "tags"
    tag_list = False
    tags_on = "resourceArn"
    deleted_by = "DeleteLogGroup"
    not_there = ("ResourceNotFoundException",)
    allowed = (
        ("LogGroup", "CreateLogGroup DeleteLogGroup ListTagsForResource PutRetentionPolicy TagResource"),
        (WITHOUT_RESOURCE, "DescribeLogGroups"),
    )
    cloudformation = "AWS::Logs::LogGroup"

    @property
    def allowed_on(self) -> tuple[str, ...]:
        """Tagging names a log group without `:*`, everything else with it."""
        return self.arn, f"{self.arn}:*"

    def attributes(self) -> Attributes:
        """Retention in days."""
        return {"retentionInDays": self.retention_days}

    def look(self, aws: Aws) -> Live | None:
        """DescribeLogGroups by prefix, ListTagsForResource."""
        pages = aws.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self.name)
        found = next(
            (group for page in pages for group in page["logGroups"] if group["logGroupName"] == self.name), None
        )
        if found is None:
            return None
        tags = aws.logs.list_tags_for_resource(resourceArn=self.arn).get("tags", {})
        attributes = {"retentionInDays": found.get("retentionInDays")}
        # Without a tag Lambda has made it by itself, in the name of a function that logged before.
        return self.live(f"{found.get('storedBytes', 0)} bytes", attributes, tags, adoptable=True)

    def create(self) -> Iterable[Step]:
        """CreateLogGroup with its tag, PutRetentionPolicy."""
        yield self.call("CreateLogGroup", tags=self.tags, raced=("ResourceAlreadyExistsException",))
        yield self._retention()

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """PutRetentionPolicy."""
        yield self._retention()

    def _retention(self) -> Step:
        return self.call("PutRetentionPolicy", retentionInDays=self.retention_days)

    def properties(self) -> Mapping[str, Any]:
        """Its name and retention."""
        return {"LogGroupName": self.name, "RetentionInDays": self.retention_days}

    def writing(self, sid: str) -> Grant:
        """What a function needs to log. There is no logs:CreateLogGroup: bootstrap makes it, with a retention."""
        return Grant(sid, ("logs:CreateLogStream", "logs:PutLogEvents"), f"{self.arn}:*", self)
