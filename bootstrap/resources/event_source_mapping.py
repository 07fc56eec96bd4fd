"""AWS Lambda: the event source mapping that hands batches of the queue to the function.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bootstrap.model import (
    Attributes,
    Call,
    Declared,
    Live,
    Output,
    Patience,
    Step,
    Wait,
    id_of,
    with_duplicates,
)
from bootstrap.resources.errors import unless
from bootstrap.resources.lambda_function import VISIBILITY_NOT_SEEN
from bootstrap.resources.tags import ENVIRONMENT_TAG
from profiles.session import Aws

KIND = "event source mapping"
NOT_THERE = ("ResourceNotFoundException",)

# On the way to Enabled, or back to it.
_ON = ("Enabled", "Enabling", "Creating", "Updating")

_PATIENCE = (
    VISIBILITY_NOT_SEEN,
    Patience(
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call ReceiveMessage on SQS",
        120,
        "the role's policy lacks sqs:ReceiveMessage on this queue: see `stockpipe plan`",
    ),
    Patience("ResourceInUseException", "", 120, "the mapping doesn't settle: see its State in the Lambda console"),
)


@dataclass(frozen=True)
class EventSourceMapping(Declared):
    """The mapping from the queue to the function. Its UUID is AWS's; queue and function are its identity."""

    queue: str
    queue_arn: str
    function: str
    arn_prefix: str
    configuration: Mapping[str, Any]
    tags: Mapping[str, str]
    after: tuple[str, ...]
    kind = KIND

    @property
    def name(self) -> str:
        """`StockQueue → StockProcessor`."""
        return f"{self.queue} → {self.function}"

    def declared(self) -> Attributes:
        """The configuration, and that it polls."""
        return {**self.configuration, "Enabled": True, "State": "Enabled", "Tags": dict(self.tags)}

    def read(self, aws: Aws) -> Live | None:
        """ListEventSourceMappings by function and queue, ListTags."""
        return unless(NOT_THERE, lambda: self._read(aws))

    def _read(self, aws: Aws) -> Live | None:
        pages = aws.lambda_.get_paginator("list_event_source_mappings").paginate(
            FunctionName=self.function, EventSourceArn=self.queue_arn
        )
        found = [mapping for page in pages for mapping in page["EventSourceMappings"]]
        # A mapping that is being deleted isn't a duplicate of another, and counts only if there is no other.
        lasting = [mapping for mapping in found if mapping["State"] != "Deleting"]
        return with_duplicates(unless(NOT_THERE, partial(self._live, aws, mapping)) for mapping in lasting or found[:1])

    def _live(self, aws: Aws, found: Mapping[str, Any]) -> Live:
        uuid, state = found["UUID"], found["State"]
        arn = f"{self.arn_prefix}{uuid}"
        owner = aws.lambda_.list_tags(Resource=arn).get("Tags", {}).get(ENVIRONMENT_TAG)
        attributes = {
            "BatchSize": found.get("BatchSize"),
            "MaximumBatchingWindowInSeconds": found.get("MaximumBatchingWindowInSeconds", 0),
            "FunctionResponseTypes": found.get("FunctionResponseTypes", []),
            "ScalingConfig": {key: value for key, value in found.get("ScalingConfig", {}).items() if value},
            "Enabled": state in _ON,
            "State": state,
            "Tags": {ENVIRONMENT_TAG: owner} if owner else {},
        }
        return Live(arn, state, attributes, owner, outputs={"UUID": uuid})

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:  # noqa: ARG002
        """One that is being deleted doesn't come back."""
        return live.state == "Deleting"

    def create(self) -> tuple[Step, ...]:
        """CreateEventSourceMapping, then wait until it polls."""
        made = Call(
            "lambda",
            "CreateEventSourceMapping",
            {
                "EventSourceArn": self.queue_arn,
                "FunctionName": self.function,
                **self.configuration,
                "Enabled": True,
                "Tags": dict(self.tags),
            },
            outputs={"UUID": "UUID"},
            raced=("ResourceConflictException",),
            patience=_PATIENCE,
        )
        return made, self._settled()

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:
        """Wait until AWS is done with an earlier change, UpdateEventSourceMapping, wait until it polls."""
        configuration = {key: value for key, value in self.configuration.items() if key in changed}
        if "Enabled" in changed:
            configuration["Enabled"] = True
        steps: list[Step] = []
        if configuration:
            steps.append(
                Call(
                    "lambda",
                    "UpdateEventSourceMapping",
                    {"UUID": Output(id_of(self), "UUID"), **configuration},
                    raced=NOT_THERE,
                    patience=_PATIENCE,
                )
            )
        if "Tags" in changed:
            steps.append(Call("lambda", "TagResource", {"Resource": live.arn, "Tags": dict(self.tags)}))
        if configuration or "State" in changed:
            steps.append(self._settled())
        return tuple(steps)

    def delete(self, live: Live) -> tuple[Step, ...]:
        """DeleteEventSourceMapping, then wait until it is gone: until then it still polls."""
        uuid = {"UUID": live.outputs["UUID"]}
        gone = Wait("lambda", "GetEventSourceMapping", uuid, gone=NOT_THERE[0], seconds=180)
        if live.state == "Deleting":
            return (gone,)
        deleted = Call("lambda", "DeleteEventSourceMapping", uuid, accepted=NOT_THERE, patience=_PATIENCE)
        return deleted, gone

    def _settled(self) -> Wait:
        return Wait(
            "lambda",
            "GetEventSourceMapping",
            {"UUID": Output(id_of(self), "UUID")},
            path="State",
            wanted=("Enabled",),
            seconds=180,
        )
