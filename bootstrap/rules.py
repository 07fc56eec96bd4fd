"""What AWS would reject is rejected here first: offline, before any call.

Emulators accept much that AWS refuses. Each rule names the value, the answer that AWS would give, and the page where it
is documented.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bootstrap import policies
from bootstrap.resources.lambda_function import environment_variables
from bootstrap.settings import VISIBILITY_PER_FUNCTION_TIMEOUT, Settings
from profiles.errors import CannotRunError
from profiles.names import Names
from runtime.contract import Contract
from runtime.settings import settings_of

_DOCS = "https://docs.aws.amazon.com/"
_LAMBDA_SQS = f"{_DOCS}lambda/latest/dg/services-sqs-configure.html"
_LAMBDA_SQS_PARAMETERS = f"{_DOCS}lambda/latest/dg/services-sqs-parameters.html"
_LAMBDA_CREATE = f"{_DOCS}lambda/latest/api/API_CreateFunction.html"
_LAMBDA_ENVIRONMENT = f"{_DOCS}lambda/latest/dg/configuration-envvars.html"
_SQS_QUOTAS = f"{_DOCS}AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html"
_SNS_CREATE = f"{_DOCS}sns/latest/api/API_CreateTopic.html"
_SNS_SUBSCRIBE = f"{_DOCS}sns/latest/api/API_Subscribe.html"
_IAM_QUOTAS = f"{_DOCS}IAM/latest/UserGuide/reference_iam-quotas.html"
_S3_POLICIES = f"{_DOCS}AmazonS3/latest/userguide/bucket-policies.html"

RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
# Not reserved, but a function that carries one would talk to a developer's laptop.
NEVER_SHIPPED = "AWS_ENDPOINT_URL"

_MAX_ENVIRONMENT_BYTES = 4096
_MAX_TRUST_CHARACTERS = 2048
_MAX_INLINE_CHARACTERS = 10_240
_MAX_BUCKET_POLICY_BYTES = 20 * 1024

_NAME = r"[A-Za-z0-9_-]"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")


@dataclass(frozen=True)
class Violation:
    """One rule that a declaration breaks: the value, what AWS would answer, and where AWS says so."""

    rule: str
    value: str
    aws_error: str
    page: str

    def __str__(self) -> str:
        return f"{self.rule}; it is {self.value}. AWS would say: {self.aws_error} ({self.page})"


class InvalidDeclarationError(CannotRunError):
    """AWS would not accept this declaration. One line for each violation."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__(*violations)
        self.violations = violations


def check(contract: Contract[Any], names: Names, settings: Settings) -> None:
    """Raise `InvalidDeclarationError` if AWS would reject resources with these names and settings."""
    if found := violations(contract, names, settings):
        raise InvalidDeclarationError(found)


def violations(contract: Contract[Any], names: Names, settings: Settings) -> tuple[Violation, ...]:
    """All rules that these names and settings break."""
    return (
        *_visibility(settings),
        *_batching(settings),
        *_ranges(settings),
        *_names(names),
        *_email(settings),
        *environment_violations(environment_variables(names, settings)),
        *_policies(contract, names),
    )


def environment_violations(variables: dict[str, str]) -> Iterator[Violation]:
    """Rules on the function's environment variables."""
    for name in variables:
        if name in RESERVED_VARIABLES:
            text = (
                "InvalidParameterValueException: Lambda was unable to configure your environment variables because the "
                f"environment variables you have provided contains reserved keys: {name}"
            )
            yield Violation("an environment variable has a reserved name", name, text, _LAMBDA_ENVIRONMENT)
        elif name.startswith(NEVER_SHIPPED):
            text = "nothing, and then the function would not find AWS"
            yield Violation(f"{NEVER_SHIPPED} is never shipped", name, text, _LAMBDA_ENVIRONMENT)
        elif not _VARIABLE.fullmatch(name):
            text = f"ValidationException: Member must satisfy regular expression pattern: {_VARIABLE.pattern}"
            yield Violation("an environment variable's name is letters, digits, _", name, text, _LAMBDA_ENVIRONMENT)
    size = len(json.dumps(variables, separators=(",", ":")).encode())
    if size > _MAX_ENVIRONMENT_BYTES:
        text = (
            "InvalidParameterValueException: Lambda was unable to configure your environment variables because the "
            "environment variables you have provided exceeded the 4KB limit"
        )
        yield Violation("environment variables take at most 4 KB", f"{size} bytes", text, _LAMBDA_ENVIRONMENT)


def _visibility(settings: Settings) -> Iterator[Violation]:
    visibility, timeout = settings.effective_visibility_timeout_seconds, settings.function_timeout_seconds
    least = VISIBILITY_PER_FUNCTION_TIMEOUT * timeout + settings.batch_window_seconds
    if visibility < least:
        yield Violation(
            f"the visibility timeout is at least 6 x function timeout + batch window = {least} s",
            f"{visibility} s",
            f"InvalidParameterValueException: Queue visibility timeout: {visibility} seconds is less than "
            f"Function timeout: {timeout} seconds"
            if visibility < timeout
            else "nothing, and then hand the same messages out twice while a batch is retried",
            _LAMBDA_SQS,
        )


def _batching(settings: Settings) -> Iterator[Violation]:
    if settings.batch_size > 10 and settings.batch_window_seconds == 0:
        yield Violation(
            "a batch size above 10 needs a batch window above 0",
            f"batch size {settings.batch_size}, window 0",
            "InvalidParameterValueException: Maximum batch window in seconds must be greater than 0 if maximum batch "
            "size is greater than 10",
            _LAMBDA_SQS_PARAMETERS,
        )


def _ranges(settings: Settings) -> Iterator[Violation]:
    for owner in (settings, settings.function):
        for field, about in settings_of(owner).items():
            value = getattr(owner, field)
            if not about.allows(value):
                name = about.flag.removeprefix("--").replace("-", " ")
                refusal = f"ValidationException: Value '{value}' failed to satisfy constraint: {about.range_in_words}"
                page = about.page or _LAMBDA_ENVIRONMENT
                yield Violation(f"{name} is {about.range_in_words}", str(value), about.aws_says or refusal, page)


def _names(names: Names) -> Iterator[Violation]:
    limits = (
        ("queue", (names.queue, names.dead_letter_queue, names.inbox_queue), 80, "InvalidParameterValue", _SQS_QUOTAS),
        ("topic", (names.topic,), 256, "InvalidParameter: Invalid parameter: Topic Name", _SNS_CREATE),
        ("function", (names.function,), 64, "ValidationException", _LAMBDA_CREATE),
        ("role", (names.role,), 64, "ValidationError", _IAM_QUOTAS),
        ("policy", (names.policy,), 128, "ValidationError", _IAM_QUOTAS),
    )
    for kind, values, most, error, page in limits:
        for value in _mismatches(values, most):
            yield Violation(f"a {kind}'s name is 1 to {most} letters, digits, _ or -", value, error, page)


def _mismatches(values: Iterable[str], most: int) -> Iterator[str]:
    return (value for value in values if not re.fullmatch(f"{_NAME}{{1,{most}}}", value))


def _email(settings: Settings) -> Iterator[Violation]:
    if settings.alert_email is not None and not _EMAIL.fullmatch(settings.alert_email):
        text = "InvalidParameter: Invalid parameter: Email address"
        yield Violation("an alert email is an address", settings.alert_email, text, _SNS_SUBSCRIBE)


def _policies(contract: Contract[Any], names: Names) -> Iterator[Violation]:
    permissions = policies.role_permissions(names, contract)
    documents = (
        ("trust policy", policies.role_trust(), _MAX_TRUST_CHARACTERS, "LimitExceeded", _IAM_QUOTAS),
        ("role's policy", permissions, _MAX_INLINE_CHARACTERS, "LimitExceeded", _IAM_QUOTAS),
        ("bucket policy", policies.bucket_tls_only(names), _MAX_BUCKET_POLICY_BYTES, "PolicyTooLarge", _S3_POLICIES),
    )
    for kind, document, most, error, page in documents:
        size = len(json.dumps(document, separators=(",", ":")))
        if size > most:
            yield Violation(f"a {kind} has at most {most} characters", f"{size} characters", error, page)
