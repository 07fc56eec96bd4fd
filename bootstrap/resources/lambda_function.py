"""AWS Lambda: a function.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.function_zip import FunctionZip
from bootstrap.model import Attributes, Live, Patience, Step, Violation
from bootstrap.resource import NameRule, Permission, Resource
from bootstrap.resources.cloudwatch import Condition
from bootstrap.resources.iam import Role
from bootstrap.resources.logs import LogGroup
from profiles.names import Names
from profiles.session import Aws

# The parameters of a CloudFormation template that say where the zip is.
CODE_BUCKET = "CodeBucket"
CODE_KEY = "CodeKey"

# A new visibility timeout may take 60 s to be seen everywhere.
VISIBILITY_NOT_SEEN = Patience(
    "InvalidParameterValueException",
    "Queue visibility timeout:",
    90,
    "the visibility timeout must be at least the function's timeout: see `stockpipe plan`",
)
# A function that wasn't invoked for weeks is Inactive; the next invocation brings it back, so it is as good as Active.
# https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
_USABLE = ("Active", "Inactive")

_PAGE = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"
_CANNOT_CONFIGURE = (
    "InvalidParameterValueException: Lambda was unable to configure your environment variables because the environment "
    "variables you have provided"
)
_DOES_NOT_SETTLE = "the function doesn't settle: see its State in the Lambda console"
_MAX_ENVIRONMENT_BYTES = 4096
_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
_RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(ACCESS_KEY(_ID)?|DEFAULT_REGION|EXECUTION_ENV|LAMBDA_FUNCTION_(MEMORY_SIZE|NAME"
    r"|VERSION)|LAMBDA_INITIALIZATION_TYPE|LAMBDA_LOG_(GROUP|STREAM)_NAME|LAMBDA_RUNTIME_API|REGION"
    r"|SECRET_(ACCESS_)?KEY|SESSION_TOKEN)|LAMBDA_(RUNTIME_DIR|TASK_ROOT)"
)
# Not reserved, but a function that carries one would talk to a developer's laptop.
_NEVER_SHIPPED = "AWS_ENDPOINT_URL"


@dataclass(frozen=True)
class Function(Resource):
    """A function from the pipeline's zip. `handler` is a module's function in it: `process_stock.lambda_handler`.

    It is made after what its role may use: Lambda refuses a timeout above the queue's visibility timeout, so that is
    changed first. `environment` are its variables.
    """

    names: Names
    name: str
    code: FunctionZip
    handler: str
    role: Role
    log_group: LogGroup
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]
    kind = "function"
    service = "lambda"
    arn_resource = "function:{}"
    named_by = "FunctionName"
    tag_list = False
    tags_on = "Resource"
    not_there = ("ResourceNotFoundException",)
    name_rule = NameRule(
        64, "ValidationException", "https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"
    )
    allowed = (
        ("Function", "CreateFunction DeleteFunction GetFunction UpdateFunctionCode UpdateFunctionConfiguration"),
        ("LambdaTags", "TagResource"),
    )
    cloudformation = "AWS::Lambda::Function"
    patience = (
        Patience(
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
            120,
            "its trust policy doesn't allow lambda.amazonaws.com: see `stockpipe plan`",
        ),
        VISIBILITY_NOT_SEEN,
        *(
            Patience("ResourceConflictException", text, 300, _DOES_NOT_SETTLE)
            for text in ("The function is currently in the following state: Pending", "An update is in progress for")
        ),
    )

    @property
    def needs(self) -> tuple[Resource, ...]:
        """Its role and log group, and what the role may use."""
        return (*super().needs, *(grant.resource for grant in self.role.allows))

    @property
    def touched_by(self) -> Mapping[str, str]:
        """A role that was deleted and made again has a new id: Lambda must be given it again."""
        return {self.role.id: "Role"}

    @property
    def configuration(self) -> dict[str, Any]:
        """The parameters that create and update share, as Lambda names them."""
        return {
            "Runtime": "python3.11",
            "Handler": self.handler,
            "Role": self.role.arn,
            "Timeout": self.timeout_seconds,
            "MemorySize": self.memory_mb,
            "Environment": {"Variables": dict(self.environment)},
        }

    def attributes(self) -> Attributes:
        """The configuration, the hash of the code, and that it can be invoked."""
        return {
            **self.configuration,
            "CodeSha256": self.code.code_sha256,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
        }

    def look(self, aws: Aws) -> Live:
        """GetFunction."""
        found = aws.lambda_.get_function(FunctionName=self.name)
        live: dict[str, Any] = {
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            **found["Configuration"],
        }
        state, variables = live["State"], found["Configuration"].get("Environment", {}).get("Variables", {})
        usable = "Active" if state in _USABLE else state
        attributes = {**live, "Environment": {"Variables": variables}, "State": usable}
        # LocalStack shows no tags of a function whose creation failed; there is nothing in it to lose.
        return self.live(state, attributes, found.get("Tags", {}), adoptable=state == "Failed")

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:
        """An image can't become a zip, and a function whose creation failed stays Failed."""
        return "PackageType" in changed or live.state == "Failed"

    def create(self) -> Iterable[Step]:
        """CreateFunction, then wait until it can be invoked."""
        code: dict[str, Any] = {"Code": {"ZipFile": self.code.content}, "PackageType": "Zip"}
        raced = ("ResourceConflictException",)
        yield self.call("CreateFunction", **self.configuration, **code, Tags=self.tags, raced=raced)
        yield self._until("State", _USABLE)

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """UpdateFunctionConfiguration and UpdateFunctionCode, each followed by a wait: AWS takes one at a time.

        The waits are those of function_active_v2 and function_updated_v2; emulators get there in milliseconds.
        """
        updated = self._until("LastUpdateStatus", ("Successful",))
        if changed & {"State", "LastUpdateStatus"}:
            yield from (self._until("State", _USABLE), updated)
        if configuration := {key: value for key, value in self.configuration.items() if key in changed}:
            yield from (self.call("UpdateFunctionConfiguration", **configuration), updated)
        if "CodeSha256" in changed:
            yield from (self.call("UpdateFunctionCode", ZipFile=self.code.content), updated)

    def delete(self, live: Live) -> Iterable[Step]:  # noqa: ARG002
        """DeleteFunction, then wait until it is gone."""
        yield self.call("DeleteFunction", accepted=self.not_there)
        yield self.wait("GetFunction", gone=self.not_there[0], seconds=60)

    def _until(self, key: str, wanted: tuple[str, ...]) -> Step:
        path = f"Configuration.{key}"
        return self.wait("GetFunction", path=path, wanted=wanted, failed=("Failed",), reason=f"{path}Reason")

    def violations(self) -> Iterator[Violation]:
        """Its name, and its environment variables."""
        yield from super().violations()
        for name in self.environment:
            if _RESERVED.fullmatch(name):
                text = f"{_CANNOT_CONFIGURE} contains reserved keys: {name}"
                yield Violation("an environment variable has a reserved name", name, text, _PAGE)
            elif name.startswith(_NEVER_SHIPPED):
                text = "nothing, and then the function would not find AWS"
                yield Violation(f"{_NEVER_SHIPPED} is never shipped", name, text, _PAGE)
            elif not _VARIABLE.fullmatch(name):
                text = f"ValidationException: Member must satisfy regular expression pattern: {_VARIABLE.pattern}"
                yield Violation("an environment variable's name is letters, digits, _", name, text, _PAGE)
        size = len(json.dumps(dict(self.environment), separators=(",", ":")).encode())
        if size > _MAX_ENVIRONMENT_BYTES:
            text = f"{_CANNOT_CONFIGURE} exceeded the 4KB limit"
            yield Violation("environment variables take at most 4 KB", f"{size} bytes", text, _PAGE)

    def permissions(self) -> Iterable[Permission]:
        """On this function, and to give it its role."""
        yield from super().permissions()
        to_lambda = ("StringEquals", "iam:PassedToService", "lambda.amazonaws.com")
        yield self.role.permission("PassRole", "PassRole", condition=to_lambda)

    def properties(self) -> Mapping[str, Any]:
        """The configuration; the zip is the template's parameter."""
        code = {"S3Bucket": {"Ref": CODE_BUCKET}, "S3Key": {"Ref": CODE_KEY}}
        return {"FunctionName": self.name, **self.configuration, "Code": code}

    def failing(self) -> Condition:
        """An invocation failed as a whole."""
        return self.when("errors", "Errors", 1)

    def when(self, name: str, metric: str, at_least: float, **more: Any) -> Condition:
        """A condition on one of the function's metrics, summed up over a minute."""
        return Condition(self, name, "AWS/Lambda", metric, ("FunctionName", self.name), "Sum", at_least, **more)
