"""What can be set about an environment, besides its names: one frozen value, from which the resources are declared."""

from dataclasses import dataclass

from runtime.settings import FunctionSettings, setting

_DOCS = "https://docs.aws.amazon.com/"
_LAMBDA_SQS = f"{_DOCS}lambda/latest/dg/services-sqs-configure.html"
_MAPPING = f"{_DOCS}lambda/latest/dg/services-sqs-parameters.html"
_LAMBDA_CREATE = f"{_DOCS}lambda/latest/api/API_CreateFunction.html"
_SQS_ATTRIBUTES = f"{_DOCS}AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"

# "at least six times the function timeout, plus the value of MaximumBatchingWindowInSeconds" (_LAMBDA_SQS)
VISIBILITY_PER_FUNCTION_TIMEOUT = 6
_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


@dataclass(frozen=True)
class Settings:
    """The settings of one environment; `function` has those of the pipeline's function.

    Whatever isn't given has its default, also on a later run: `up` declares a state, it doesn't amend one.
    """

    function: FunctionSettings
    alert_email: str | None = setting(None, "--alert-email", "Email address for alerts; AWS asks it for confirmation.")
    batch_size: int = setting(
        10, "--batch-size", "Maximum number of messages in one batch.", least=1, most=10_000, page=_MAPPING
    )
    batch_window_seconds: int = setting(
        0,
        "--batch-window",
        "Seconds to wait for a full batch; at least 1 if --batch-size is above 10.",
        least=0,
        most=300,
        page=_MAPPING,
    )
    function_timeout_seconds: int = setting(
        10, "--function-timeout", "Seconds that one batch may take.", least=1, most=900, page=_LAMBDA_CREATE
    )
    memory_mb: int = setting(
        256, "--memory", "Memory of the function in MB.", least=128, most=10_240, page=_LAMBDA_CREATE
    )
    visibility_timeout_seconds: int | None = setting(
        None,
        "--visibility-timeout",
        "Seconds; default: 6 times --function-timeout, plus --batch-window.",
        least=0,
        most=43_200,
        page=_SQS_ATTRIBUTES,
    )
    max_receive_count: int = setting(
        5,
        "--max-receive-count",
        "Failed receives before a message is dead-lettered.",
        least=5,
        most=1000,
        aws_says="InvalidParameterValue above 1000; below 5 nothing, and then dead-letter good messages whenever the "
        "function is throttled",
        page=_LAMBDA_SQS,
    )
    maximum_concurrency: int | None = setting(
        None,
        "--maximum-concurrency",
        "Maximum number of batches at once; default: no limit.",
        least=2,
        most=1000,
        page=_MAPPING,
    )
    log_retention_days: int = setting(
        14,
        "--log-retention",
        "Days that the function's logs are kept.",
        choices=_RETENTION_DAYS,
        aws_says="InvalidParameterException: 1 validation error detected",
        page=f"{_DOCS}AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html",
    )
    bytes_scanned_limit: int = setting(
        100 * 10**9,  # an Athena query that would cost more than $0.50 is cancelled
        "--bytes-scanned-limit",
        "Athena cancels a query that scans more bytes.",
        expected="at least 10000000 (10 MB)",
        least=10_000_000,
        aws_says="InvalidRequestException: Value at 'bytesScannedCutoffPerQuery' failed to satisfy constraint: Member "
        "must have value greater than or equal to 10000000",
        page=f"{_DOCS}athena/latest/APIReference/API_WorkGroupConfiguration.html",
    )

    @property
    def effective_visibility_timeout_seconds(self) -> int:
        """The given visibility timeout, or what AWS recommends: six times the function's timeout plus the window."""
        if self.visibility_timeout_seconds is not None:
            return self.visibility_timeout_seconds
        return VISIBILITY_PER_FUNCTION_TIMEOUT * self.function_timeout_seconds + self.batch_window_seconds
