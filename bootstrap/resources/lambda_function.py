"""AWS Lambda: the function.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.function_zip import FunctionZip
from bootstrap.model import ADOPTABLE, Attributes, Call, Declared, Live, Patience, Step, Wait
from bootstrap.resources.errors import unless
from bootstrap.resources.tags import ENVIRONMENT_TAG
from bootstrap.settings import Settings
from profiles.names import Names
from profiles.session import Aws
from runtime.settings import Environment

KIND = "function"
NOT_THERE = ("ResourceNotFoundException",)

# A function that wasn't invoked for weeks is Inactive; the next invocation brings it back, so it is as good as Active.
# https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
_USABLE = ("Active", "Inactive")

_ROLE_IS_FRESH = Patience(
    "InvalidParameterValueException",
    "The role defined for the function cannot be assumed by Lambda.",
    120,
    "its trust policy doesn't allow lambda.amazonaws.com: see `stockpipe plan`",
)
# A new visibility timeout may take 60 s to be seen everywhere.
VISIBILITY_NOT_SEEN = Patience(
    "InvalidParameterValueException",
    "Queue visibility timeout:",
    90,
    "the visibility timeout must be at least the function's timeout: see `stockpipe plan`",
)
_NOT_SETTLED = tuple(
    Patience("ResourceConflictException", text, 300, "the function doesn't settle: see its State in the Lambda console")
    for text in (
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        "An update is in progress for resource:",
    )
)


@dataclass(frozen=True)
class Function(Declared):
    """A function from a zip. `configuration` are the parameters that create and update share, as Lambda names them."""

    name: str
    arn: str
    code: FunctionZip
    configuration: Mapping[str, Any]
    tags: Mapping[str, str]
    after: tuple[str, ...]
    role: str
    kind = KIND

    def declared(self) -> Attributes:
        """The configuration, the hash of the code, and that it can be invoked."""
        return {
            **self.configuration,
            "CodeSha256": self.code.code_sha256,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Tags": dict(self.tags),
        }

    def read(self, aws: Aws) -> Live | None:
        """GetFunction."""
        return unless(NOT_THERE, lambda: self._read(aws))

    def _read(self, aws: Aws) -> Live:
        found = aws.lambda_.get_function(FunctionName=self.name)
        live = found["Configuration"]
        owner = found.get("Tags", {}).get(ENVIRONMENT_TAG)
        state = live.get("State", "Active")
        attributes: dict[str, Any] = {
            **{key: value for key, value in live.items() if key in self.configuration},
            "Environment": {"Variables": live.get("Environment", {}).get("Variables", {})},
            "CodeSha256": live["CodeSha256"],
            "State": "Active" if state in _USABLE else state,
            "LastUpdateStatus": live.get("LastUpdateStatus", "Successful"),
            "PackageType": live.get("PackageType", "Zip"),
            "Tags": {ENVIRONMENT_TAG: owner} if owner else {},
        }
        # LocalStack shows no tags of a function whose creation failed; there is nothing in it to lose.
        return Live(live["FunctionArn"], state, attributes, owner, notes={ADOPTABLE: state == "Failed"})

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:
        """An image can't become a zip, and a function whose creation failed stays Failed."""
        return "PackageType" in changed or live.state == "Failed"

    def touched_by(self) -> Mapping[str, str]:
        """A role that was deleted and made again has a new id: Lambda must be given it again."""
        return {self.role: "Role"}

    def create(self) -> tuple[Step, ...]:
        """CreateFunction, then wait until it can be invoked."""
        parameters = {
            "FunctionName": self.name,
            **self.configuration,
            "Code": {"ZipFile": self.code.content},
            "PackageType": "Zip",
            "Tags": dict(self.tags),
        }
        made = Call(
            "lambda",
            "CreateFunction",
            parameters,
            raced=("ResourceConflictException",),
            patience=(_ROLE_IS_FRESH,),
        )
        return made, self._active()

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """UpdateFunctionConfiguration and UpdateFunctionCode, each followed by a wait: AWS takes one at a time."""
        steps: list[Step] = []
        if changed & {"State", "LastUpdateStatus"}:
            steps += [self._active(), self._updated()]
        if configuration := {key: value for key, value in self.configuration.items() if key in changed}:
            steps += [self._update("UpdateFunctionConfiguration", **configuration), self._updated()]
        if "CodeSha256" in changed:
            steps += [self._update("UpdateFunctionCode", ZipFile=self.code.content), self._updated()]
        if "Tags" in changed:
            steps.append(Call("lambda", "TagResource", {"Resource": self.arn, "Tags": dict(self.tags)}))
        return tuple(steps)

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """DeleteFunction, then wait until it is gone."""
        return (
            Call("lambda", "DeleteFunction", {"FunctionName": self.name}, accepted=NOT_THERE, patience=_NOT_SETTLED),
            Wait("lambda", "GetFunction", {"FunctionName": self.name}, gone=NOT_THERE[0], seconds=60),
        )

    def _update(self, operation: str, **parameters: Any) -> Call:
        return Call(
            "lambda",
            operation,
            {"FunctionName": self.name, **parameters},
            raced=NOT_THERE,
            patience=(_ROLE_IS_FRESH, VISIBILITY_NOT_SEEN, *_NOT_SETTLED),
        )

    def _active(self) -> Wait:
        """The state that function_active_v2 waits for; emulators reach it in milliseconds."""
        return Wait(
            "lambda",
            "GetFunction",
            {"FunctionName": self.name},
            path="Configuration.State",
            wanted=_USABLE,
            failed=("Failed",),
            reason="Configuration.StateReason",
        )

    def _updated(self) -> Wait:
        """The state that function_updated_v2 waits for."""
        return Wait(
            "lambda",
            "GetFunction",
            {"FunctionName": self.name},
            path="Configuration.LastUpdateStatus",
            wanted=("Successful",),
            failed=("Failed",),
            reason="Configuration.LastUpdateStatusReason",
        )


def environment_variables(names: Names, settings: Settings) -> dict[str, str]:
    """The function's environment variables: all that the function knows about its environment."""
    return Environment(names.bucket, names.topic_arn, settings.function).written()
