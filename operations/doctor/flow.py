"""Do records get to the function, and may it do its work? Queue, function, event source mapping, role, log."""

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from bootstrap.declaration import role_permissions
from bootstrap.settings import VISIBILITY_PER_FUNCTION_TIMEOUT
from operations import deadletters
from operations.doctor.check import Check, failed, info, ok, warning
from operations.doctor.permissions import lambda_may_assume, not_allowed
from operations.function_log import read_log
from operations.log_lines import read_line
from operations.queues import BATCH, depth
from profiles.environment import Environment, queue_url, up_command
from profiles.errors import CannotRunError
from profiles.session import Aws
from runtime import settings
from terminal.untrusted import one_line

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

_LOOK_BACK_MS = 600_000
_MOST_LOG_PAGES = 20
_LONGEST_REASON = 240
_ON_ITS_WAY = ("Creating", "Enabling", "Updating")
_PATIENCE = "wait a minute: AWS is working on it"


def queue(environment: Environment) -> Check:
    """The queue is there, and hands what fails too often to the dead-letter queue."""
    try:
        url = queue_url(environment, environment.names.queue)
    except CannotRunError:
        lost = f"there is no queue {environment.names.queue}: {environment.contract.plural} can't be sent"
        return failed("queue", lost, up_command(environment))
    attributes = environment.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]).get(
        "Attributes", {}
    )
    target = json.loads(attributes.get("RedrivePolicy", "{}")).get("deadLetterTargetArn")
    if target != environment.names.dead_letter_queue_arn:
        return failed(
            "queue",
            f"{environment.names.queue} has no redrive policy to {environment.names.dead_letter_queue}: "
            f"a bad {environment.contract.noun} is tried for ever",
            up_command(environment),
        )
    counts = depth(environment.aws, url)
    return ok("queue", f"{environment.names.queue}: about {counts.waiting} waiting, {counts.in_flight} in flight")


def dead_letters(environment: Environment) -> Check:
    """The dead-letter queue is there and empty."""
    try:
        count = depth(environment.aws, queue_url(environment, environment.names.dead_letter_queue)).total
        count = count or len(deadletters.list_dead_letters(environment, limit=BATCH))  # SQS's count may be old
    except CannotRunError:
        return failed(
            "dead letters", f"there is no queue {environment.names.dead_letter_queue}", up_command(environment)
        )
    if count:
        return warning(
            "dead letters",
            f"about {count} messages failed too often",
            "reasons: stockpipe dlq list; then: stockpipe dlq redrive",
        )
    return ok("dead letters", "none")


def function(environment: Environment) -> Check:
    """The function is there, active, and its environment variables say where to write."""
    configuration = _configuration(environment)
    if configuration is None:
        return failed(
            "function",
            f"there is no function {environment.names.function}: Lambda doesn't fire",
            up_command(environment),
        )
    state, update = configuration.get("State", "Active"), configuration.get("LastUpdateStatus", "Successful")
    if state == "Pending" or update == "InProgress":
        return warning("function", f"{environment.names.function} is {state}, its last update is {update}", _PATIENCE)
    if state == "Failed" or update == "Failed":
        reason = configuration.get("StateReason") or configuration.get("LastUpdateStatusReason") or "no reason given"
        return failed(
            "function",
            f"{environment.names.function} is {state}, its last update {update}: {reason}",
            up_command(environment),
        )
    try:
        live = settings.Environment.read(_variables(configuration), environment.pipeline.settings)
    except settings.ConfigurationError as error:
        return failed("function", f"every invocation fails: {error}", up_command(environment))
    for variable, told, expected in (
        ("BUCKET", live.bucket, environment.names.bucket),
        ("SNS_TOPIC_ARN", live.topic_arn, environment.names.topic_arn),
    ):
        if told != expected:
            return failed(
                "function", f"its environment says {variable}={told}, not {expected}", up_command(environment)
            )
    return ok("function", f"{environment.names.function}, {configuration.get('Runtime', '')}, {state}")


def mapping(environment: Environment) -> Check:
    """The event source mapping is there, enabled, and understands partial batch responses."""
    pages = environment.aws.lambda_.get_paginator("list_event_source_mappings").paginate(
        EventSourceArn=environment.names.queue_arn
    )
    all_found = [one for page in pages for one in page["EventSourceMappings"]]
    found = next((one for one in all_found if _function_of(one["FunctionArn"]) == environment.names.function), None)
    if found is None:
        return failed(
            "mapping",
            f"nothing hands {environment.names.queue} to {environment.names.function}: Lambda doesn't fire",
            up_command(environment),
        )
    state = found.get("State", "")
    if state in _ON_ITS_WAY:
        return warning("mapping", f"the event source mapping is {state}", _PATIENCE)
    if state != "Enabled":
        return failed("mapping", f"the event source mapping is {state}: Lambda doesn't fire", up_command(environment))
    if "ReportBatchItemFailures" not in found.get("FunctionResponseTypes", []):
        return failed(
            "mapping",
            f"it ignores partial batch responses, so that failed {environment.contract.plural} would be lost",
            up_command(environment),
        )
    problem = found.get("LastProcessingResult", "")
    if problem.startswith("PROBLEM"):
        return failed("mapping", f"Lambda says: {problem}", "see the checks `function` and `role`")
    return ok("mapping", f"Enabled, batch size {found.get('BatchSize', '?')}")


def visibility(environment: Environment) -> Check:
    """The queue hides a message long enough for the function to finish, retries included."""
    configuration = _configuration(environment)
    try:
        url = queue_url(environment, environment.names.queue)
    except CannotRunError:
        return info("visibility", "not checked without a queue")
    if configuration is None:
        return info("visibility", "not checked without a function")
    attributes = environment.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])[
        "Attributes"
    ]
    visible_after, timeout = int(attributes["VisibilityTimeout"]), configuration.get("Timeout", 3)
    recommended = VISIBILITY_PER_FUNCTION_TIMEOUT * timeout
    if visible_after < recommended:
        return warning(
            "visibility",
            f"{visible_after} s, but AWS recommends {recommended} s: "
            f"{environment.contract.plural} may be processed twice",
            up_command(environment),
        )
    return ok("visibility", f"{visible_after} s for a function timeout of {timeout} s")


def role(environment: Environment) -> Check:
    """The function's role: Lambda may assume it, and its live policies allow everything that is declared."""
    configuration = _configuration(environment)
    if configuration is not None and configuration.get("Role") != environment.names.role_arn:
        return failed(
            "role",
            f"the function runs as {configuration.get('Role')}, not {environment.names.role_arn}",
            up_command(environment),
        )
    try:
        trust: Any = environment.aws.iam.get_role(RoleName=environment.names.role)["Role"].get(
            "AssumeRolePolicyDocument", {}
        )
        documents = _policies(environment.aws, environment.names.role)
    except environment.aws.iam.exceptions.NoSuchEntityException:
        return failed(
            "role", f"there is no role {environment.names.role}: the function may do nothing", up_command(environment)
        )
    if not lambda_may_assume(trust):
        return failed(
            "role",
            f"the trust policy of {environment.names.role} doesn't let Lambda assume it",
            up_command(environment),
        )
    missing = not_allowed(role_permissions(environment.pipeline, environment.names), documents)
    if missing:
        return failed("role", f"{environment.names.role} doesn't allow {', '.join(missing)}", up_command(environment))
    return ok("role", f"{environment.names.role} allows what is declared")


def log(environment: Environment, now_ms: int | None = None) -> Check:
    """The function's log is there, and says nothing of failures in the last ten minutes."""
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    try:
        lines = [
            read_line(event) for event in read_log(environment, since_ms=now_ms - _LOOK_BACK_MS, pages=_MOST_LOG_PAGES)
        ]
    except environment.aws.logs.exceptions.ResourceNotFoundException:
        return failed(
            "log",
            f"there is no log group {environment.names.log_group}: failures leave no trace",
            up_command(environment),
        )
    reasons: Counter[str] = Counter()
    for line in lines:
        if line.level == "REPORT" and line.fields.get("status") in ("error", "timeout"):
            reasons[f"an invocation ended with {line.fields['status']}"] += 1
        elif line.level in ("WARNING", "ERROR", "CRITICAL"):
            reasons[
                one_line(
                    f"{line.message}: {line.fields['reason']}" if "reason" in line.fields else line.message,
                    _LONGEST_REASON,
                )
            ] += 1
    if not reasons:
        return ok("log", "no failure in the last 10 minutes")
    (reason, count), *others = reasons.most_common()
    more = f", and {len(others)} other kinds" if others else ""
    return warning(
        "log", f"{count} x in the last 10 minutes: {reason}{more}", "all of them: stockpipe logs --since 10m"
    )


def _configuration(environment: Environment) -> "FunctionConfigurationResponseTypeDef | None":
    try:
        return environment.aws.lambda_.get_function_configuration(FunctionName=environment.names.function)
    except environment.aws.lambda_.exceptions.ResourceNotFoundException:
        return None


def _variables(configuration: "FunctionConfigurationResponseTypeDef") -> dict[str, str]:
    return dict(configuration.get("Environment", {}).get("Variables", {}))


def _function_of(arn: str) -> str:
    """`arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`."""
    return arn.split(":")[6] if arn.count(":") >= 6 else arn


def _policies(aws: Aws, role_name: str) -> list[dict[str, Any]]:
    """The documents of all policies of a role, inline and attached."""
    documents: list[Any] = [
        aws.iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"]
        for page in aws.iam.get_paginator("list_role_policies").paginate(RoleName=role_name)
        for name in page["PolicyNames"]
    ]
    pages = aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=role_name)
    return documents + [_attached(aws, one["PolicyArn"]) for page in pages for one in page["AttachedPolicies"]]


def _attached(aws: Aws, arn: str) -> Any:
    try:
        version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    except ClientError:  # AWS's own policies, which not every emulator has: they allow nothing that we can tell
        return {}
