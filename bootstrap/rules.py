"""What AWS would reject is rejected here first: offline, before any call.

Emulators accept much that AWS refuses. Each rule names the value, the answer that AWS would give, and the page where it
is documented.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bootstrap import policies
from bootstrap.resources.lambda_function import environment
from bootstrap.settings import VISIBILITY_PER_FUNCTION_TIMEOUT, Settings
from profiles.errors import CannotRunError

_DOCS = "https://docs.aws.amazon.com/"
_LAMBDA_SQS = f"{_DOCS}lambda/latest/dg/services-sqs-configure.html"
_LAMBDA_SQS_PARAMETERS = f"{_DOCS}lambda/latest/dg/services-sqs-parameters.html"
_LAMBDA_CREATE = f"{_DOCS}lambda/latest/api/API_CreateFunction.html"
_LAMBDA_ENVIRONMENT = f"{_DOCS}lambda/latest/dg/configuration-envvars.html"
_SQS_ATTRIBUTES = f"{_DOCS}AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"
_SQS_QUOTAS = f"{_DOCS}AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html"
_SNS_CREATE = f"{_DOCS}sns/latest/api/API_CreateTopic.html"
_SNS_PUBLISH = f"{_DOCS}sns/latest/api/API_Publish.html"
_SNS_SUBSCRIBE = f"{_DOCS}sns/latest/api/API_Subscribe.html"
_IAM_QUOTAS = f"{_DOCS}IAM/latest/UserGuide/reference_iam-quotas.html"
_S3_POLICIES = f"{_DOCS}AmazonS3/latest/userguide/bucket-policies.html"
_ATHENA_LIMIT = f"{_DOCS}athena/latest/APIReference/API_WorkGroupConfiguration.html"
_LOGS_RETENTION = f"{_DOCS}AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
MIN_BYTES_SCANNED_LIMIT = 10_000_000
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
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
_MAX_SUBJECT = 100
_LONGEST_SUBJECT_TEXT = len("Stock alert: ABCDEFGHIJ  >= ")
_MAX_TRUST_CHARACTERS = 2048
_MAX_INLINE_CHARACTERS = 10_240
_MAX_BUCKET_POLICY_BYTES = 20 * 1024
# Fewer, and a throttled function sends good messages to the dead-letter queue (AWS's advice for event source mappings).
_MIN_RECEIVE_COUNT = 5

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


def check(settings: Settings) -> None:
    """Raise `InvalidDeclarationError` if AWS would reject these settings."""
    if found := violations(settings):
        raise InvalidDeclarationError(found)


def violations(settings: Settings) -> tuple[Violation, ...]:
    """All rules that these settings break."""
    return (
        *_visibility(settings),
        *_batching(settings),
        *_ranges(settings),
        *_names(settings),
        *_alerts(settings),
        *environment_violations(environment(settings)),
        *_policies(settings),
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
            else "nothing, and then hand the same ticks out twice while a batch is retried",
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
    if settings.max_receive_count < _MIN_RECEIVE_COUNT:
        yield Violation(
            "maxReceiveCount is at least 5",
            str(settings.max_receive_count),
            "nothing, and then dead-letter good ticks whenever the function is throttled",
            _LAMBDA_SQS,
        )


def _ranges(settings: Settings) -> Iterator[Violation]:
    ranges = (
        ("batch size", settings.batch_size, 1, 10_000, _LAMBDA_SQS_PARAMETERS),
        ("batch window", settings.batch_window_seconds, 0, 300, _LAMBDA_SQS_PARAMETERS),
        ("maximum concurrency", settings.maximum_concurrency, 2, 1000, _LAMBDA_SQS_PARAMETERS),
        ("function timeout", settings.function_timeout_seconds, 1, 900, _LAMBDA_CREATE),
        ("memory", settings.memory_mb, 128, 10_240, _LAMBDA_CREATE),
        ("visibility timeout", settings.effective_visibility_timeout_seconds, 0, 43_200, _SQS_ATTRIBUTES),
        ("maxReceiveCount", settings.max_receive_count, 1, 1000, _SQS_ATTRIBUTES),
    )
    for name, value, least, most, page in ranges:
        if value is not None and not least <= value <= most:
            text = f"ValidationException: Value '{value}' failed to satisfy constraint: between {least} and {most}"
            yield Violation(f"{name} is {least} to {most}", str(value), text, page)
    if settings.bytes_scanned_limit < MIN_BYTES_SCANNED_LIMIT:
        text = (
            f"InvalidRequestException: Value '{settings.bytes_scanned_limit}' at 'bytesScannedCutoffPerQuery' failed "
            f"to satisfy constraint: Member must have value greater than or equal to {MIN_BYTES_SCANNED_LIMIT}"
        )
        rule = f"Athena's limit of scanned bytes is at least {MIN_BYTES_SCANNED_LIMIT} (10 MB)"
        yield Violation(rule, str(settings.bytes_scanned_limit), text, _ATHENA_LIMIT)
    if settings.log_retention_days not in RETENTION_DAYS:
        text = f"InvalidParameterException: 1 validation error detected: Value '{settings.log_retention_days}'"
        days = ", ".join(map(str, RETENTION_DAYS))
        yield Violation(f"log retention is one of {days} days", str(settings.log_retention_days), text, _LOGS_RETENTION)
    if settings.log_level not in LOG_LEVELS:
        text = "nothing, and then the function could not start its logger"
        yield Violation(f"log level is one of {', '.join(LOG_LEVELS)}", settings.log_level, text, _LAMBDA_ENVIRONMENT)


def _names(settings: Settings) -> Iterator[Violation]:
    names = settings.names
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


def _alerts(settings: Settings) -> Iterator[Violation]:
    threshold = settings.alert_threshold
    if not (math.isfinite(threshold) and threshold > 0):
        text = "nothing, and then alert on every tick or on none"
        yield Violation("the alert threshold is a price above 0", str(threshold), text, _SNS_PUBLISH)
    # A price that breaches is written with as many digits as the threshold, or one more.
    elif _LONGEST_SUBJECT_TEXT + 2 * len(f"{threshold:.2f}") + 1 > _MAX_SUBJECT:
        text = "InvalidParameter: Invalid parameter: Subject"
        yield Violation("an alert's subject has at most 100 characters", f"{threshold:.2f}", text, _SNS_PUBLISH)
    if settings.alert_cooldown_seconds < 0:
        text = "nothing: the function would not start"
        value = str(settings.alert_cooldown_seconds)
        yield Violation("the alert cooldown is 0 seconds or more", value, text, _LAMBDA_ENVIRONMENT)
    if settings.alert_email is not None and not _EMAIL.fullmatch(settings.alert_email):
        text = "InvalidParameter: Invalid parameter: Email address"
        yield Violation("an alert email is an address", settings.alert_email, text, _SNS_SUBSCRIBE)


def _policies(settings: Settings) -> Iterator[Violation]:
    names = settings.names
    documents = (
        ("trust policy", policies.role_trust(), _MAX_TRUST_CHARACTERS, "LimitExceeded", _IAM_QUOTAS),
        ("role's policy", policies.role_permissions(names), _MAX_INLINE_CHARACTERS, "LimitExceeded", _IAM_QUOTAS),
        ("bucket policy", policies.bucket_tls_only(names), _MAX_BUCKET_POLICY_BYTES, "PolicyTooLarge", _S3_POLICIES),
    )
    for kind, document, most, error, page in documents:
        size = len(json.dumps(document, separators=(",", ":")))
        if size > most:
            yield Violation(f"a {kind} has at most {most} characters", f"{size} characters", error, page)
