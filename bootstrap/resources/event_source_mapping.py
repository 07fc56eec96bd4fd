"""AWS Lambda: an event source mapping, which hands batches of a queue to a function.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bootstrap.model import Attributes, Call, Live, Patience, Step, Violation, Wait, with_duplicates
from bootstrap.resource import WITHOUT_RESOURCE, Permission, Resource, unless
from bootstrap.resources.lambda_function import VISIBILITY_NOT_SEEN, Function
from bootstrap.resources.sqs import Queue
from bootstrap.settings import VISIBILITY_PER_FUNCTION_TIMEOUT
from profiles.names import Names
from profiles.session import Aws

_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg"
# On the way to Enabled, or back to it.
_ON = ("Enabled", "Enabling", "Creating", "Updating")
_DEFAULT_VISIBILITY_SECONDS = 30  # SQS's
_SETTLES_IN_SECONDS = 180


@dataclass(frozen=True)
class EventSourceMapping(Resource):
    """The mapping from a queue to a function. Its UUID is AWS's; queue and function are its identity.

    From the moment it exists, records flow. So it is made last, after all `others`, and removed first.
    """

    queue: Queue
    function: Function
    batch_size: int = 10
    batch_window_seconds: int = 0
    maximum_concurrency: int | None = None
    others: tuple[Resource, ...] = ()
    kind = "event source mapping"
    service = "lambda"
    output = "UUID"
    tag_list = False
    tags_on = "Resource"
    cloudformation = "AWS::Lambda::EventSourceMapping"
    not_there = ("ResourceNotFoundException",)
    patience = (
        VISIBILITY_NOT_SEEN,
        Patience(
            "InvalidParameterValueException",
            "The provided execution role does not have permissions to call ReceiveMessage on SQS",
            120,
            "the role's policy lacks sqs:ReceiveMessage on this queue: see `stockpipe plan`",
        ),
        Patience("ResourceInUseException", "", 120, "the mapping doesn't settle: see its State in the Lambda console"),
    )

    @property
    def names(self) -> Names:
        """Those of the queue."""
        return self.queue.names

    @property
    def name(self) -> str:
        """`StockQueue → StockProcessor`."""
        return f"{self.queue.name} → {self.function.name}"

    @property
    def configuration(self) -> dict[str, Any]:
        """The parameters that create and update share, as Lambda names them."""
        limit = self.maximum_concurrency
        return {
            "BatchSize": self.batch_size,
            "MaximumBatchingWindowInSeconds": self.batch_window_seconds,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {} if limit is None else {"MaximumConcurrency": limit},
        }

    def attributes(self) -> Attributes:
        """The configuration, and that it polls."""
        return {**self.configuration, "Enabled": True, "State": "Enabled"}

    def look(self, aws: Aws) -> Live | None:
        """ListEventSourceMappings by function and queue, ListTags."""
        pages = aws.lambda_.get_paginator("list_event_source_mappings").paginate(
            FunctionName=self.function.name, EventSourceArn=self.queue.arn
        )
        found = [mapping for page in pages for mapping in page["EventSourceMappings"]]
        # A mapping that is being deleted isn't a duplicate of another, and counts only if there is no other.
        lasting = [mapping for mapping in found if mapping["State"] != "Deleting"]
        return with_duplicates(
            unless(self.not_there, partial(self._one, aws, mapping)) for mapping in lasting or found[:1]
        )

    def _one(self, aws: Aws, found: Mapping[str, Any]) -> Live:
        uuid, state = found["UUID"], found["State"]
        arn = self._arn(uuid)
        attributes = {
            "BatchSize": found.get("BatchSize"),
            "MaximumBatchingWindowInSeconds": found.get("MaximumBatchingWindowInSeconds", 0),
            "FunctionResponseTypes": found.get("FunctionResponseTypes", []),
            "ScalingConfig": {key: value for key, value in found.get("ScalingConfig", {}).items() if value},
            "Enabled": state in _ON,
            "State": state,
        }
        tags = aws.lambda_.list_tags(Resource=arn).get("Tags", {})
        return self.live(state, attributes, tags, arn=arn, outputs={"UUID": uuid})

    def _arn(self, uuid: str) -> str:
        return self.names.arn(self.service, f"event-source-mapping:{uuid}")

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:  # noqa: ARG002
        """One that is being deleted doesn't come back."""
        return live.state == "Deleting"

    def create(self) -> Iterable[Step]:
        """CreateEventSourceMapping, then wait until it polls."""
        yield self.call(
            "CreateEventSourceMapping",
            named=False,
            EventSourceArn=self.queue.arn,
            FunctionName=self.function.name,
            **self.configuration,
            Enabled=True,
            Tags=self.tags,
            raced=("ResourceConflictException",),
        )
        yield self._settled()

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """UpdateEventSourceMapping, then wait until it polls."""
        wanted = {**self.configuration, "Enabled": True}
        if configuration := {key: value for key, value in wanted.items() if key in changed}:
            yield self.call("UpdateEventSourceMapping", **configuration)
        yield self._settled()

    def delete(self, live: Live) -> Iterable[Step]:
        """DeleteEventSourceMapping, then wait until it is gone: until then it still polls."""
        uuid = {"UUID": live.outputs["UUID"]}
        if live.state != "Deleting":
            yield Call(self.service, "DeleteEventSourceMapping", uuid, accepted=self.not_there, patience=self.patience)
        seconds = _SETTLES_IN_SECONDS
        yield Wait(self.service, "GetEventSourceMapping", uuid, gone=self.not_there[0], seconds=seconds)

    def _settled(self) -> Step:
        return self.wait("GetEventSourceMapping", path="State", wanted=("Enabled",), seconds=_SETTLES_IN_SECONDS)

    def violations(self) -> Iterator[Violation]:
        """How queue, function and batches must fit together."""
        visibility = self.queue.visibility_seconds
        visibility = _DEFAULT_VISIBILITY_SECONDS if visibility is None else visibility
        timeout = self.function.timeout_seconds
        least = VISIBILITY_PER_FUNCTION_TIMEOUT * timeout + self.batch_window_seconds
        if visibility < least:
            yield Violation(
                f"the visibility timeout is at least {VISIBILITY_PER_FUNCTION_TIMEOUT} x function timeout + batch "
                f"window = {least} s",
                f"{visibility} s",
                f"InvalidParameterValueException: Queue visibility timeout: {visibility} seconds is less than "
                f"Function timeout: {timeout} seconds"
                if visibility < timeout
                else "nothing, and then hand the same messages out twice while a batch is retried",
                f"{_LAMBDA}/services-sqs-configure.html",
            )
        if self.batch_size > 10 and self.batch_window_seconds == 0:
            yield Violation(
                "a batch size above 10 needs a batch window above 0",
                f"batch size {self.batch_size}, window 0",
                "InvalidParameterValueException: Maximum batch window in seconds must be greater than 0 if maximum "
                "batch size is greater than 10",
                f"{_LAMBDA}/services-sqs-parameters.html",
            )

    def permissions(self) -> Iterable[Permission]:
        """A mapping's id is AWS's choice, so it is the function that says whose it is.

        One to be made has no ARN yet.
        """
        of_function = ("ArnEqualsIfExists", "lambda:FunctionArn", self.function.arn)
        yield self.permission("CreateMapping", "CreateEventSourceMapping", "*", condition=of_function)
        operations = "DeleteEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping"
        yield self.permission("Mapping", operations, self._arn("*"), condition=of_function)
        yield self.permission("LambdaTags", "ListTags TagResource", self.function.arn, self._arn("*"))
        yield self.permission(WITHOUT_RESOURCE, "ListEventSourceMappings", "*")

    def properties(self) -> Mapping[str, Any]:
        """Queue, function and configuration."""
        configuration = {key: value for key, value in self.configuration.items() if value != {}}
        return {
            "EventSourceArn": self.queue.arn,
            "FunctionName": self.function.name,
            "Enabled": True,
            **configuration,
        }
