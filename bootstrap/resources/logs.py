"""Amazon CloudWatch Logs: the function's log group, made before the function so that it has a retention.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bootstrap.model import ADOPTABLE, Attributes, Call, Declared, Live, Step
from bootstrap.resources.errors import unless
from bootstrap.resources.tags import ENVIRONMENT_TAG
from profiles.session import Aws

KIND = "log group"
NOT_THERE = ("ResourceNotFoundException",)


@dataclass(frozen=True)
class LogGroup(Declared):
    """A log group; `retention_days` is one of the values that CloudWatch Logs knows."""

    name: str
    arn: str
    retention_days: int
    tags: Mapping[str, str]
    kind = KIND
    after = ()

    def declared(self) -> Attributes:
        """Retention in days, and the tags."""
        return {"retentionInDays": self.retention_days, "tags": dict(self.tags)}

    def read(self, aws: Aws) -> Live | None:
        """DescribeLogGroups by prefix, ListTagsForResource."""
        return unless(NOT_THERE, lambda: self._read(aws))

    def _read(self, aws: Aws) -> Live | None:
        pages = aws.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self.name)
        found = next(
            (group for page in pages for group in page["logGroups"] if group["logGroupName"] == self.name), None
        )
        if found is None:
            return None
        tags = aws.logs.list_tags_for_resource(resourceArn=self.arn).get("tags", {})
        owner = tags.get(ENVIRONMENT_TAG)
        attributes = {
            "retentionInDays": found.get("retentionInDays"),
            "tags": {ENVIRONMENT_TAG: owner} if owner else {},
        }
        # Without a tag Lambda has made it by itself, in the name of a function that logged before.
        return Live(self.arn, f"{found.get('storedBytes', 0)} bytes", attributes, owner, notes={ADOPTABLE: True})

    def create(self) -> tuple[Step, ...]:
        """CreateLogGroup with its tag, PutRetentionPolicy."""
        made = Call(
            "logs",
            "CreateLogGroup",
            {"logGroupName": self.name, "tags": dict(self.tags)},
            raced=("ResourceAlreadyExistsException",),
        )
        return made, self._retention()

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """PutRetentionPolicy, TagResource."""
        steps: list[Step] = []
        if "retentionInDays" in changed:
            steps.append(self._retention())
        if "tags" in changed:
            steps.append(
                Call("logs", "TagResource", {"resourceArn": self.arn, "tags": dict(self.tags)}, raced=NOT_THERE)
            )
        return tuple(steps)

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """DeleteLogGroup, with the logs in it."""
        return (Call("logs", "DeleteLogGroup", {"logGroupName": self.name}, accepted=NOT_THERE),)

    def _retention(self) -> Call:
        return Call(
            "logs",
            "PutRetentionPolicy",
            {"logGroupName": self.name, "retentionInDays": self.retention_days},
            raced=NOT_THERE,
        )
