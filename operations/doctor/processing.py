"""Checks of every declared queue, event source mapping, function, role and log group."""

import time
from collections import Counter
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.model import Live
from bootstrap.resource import Resource
from bootstrap.resources.event_source_mapping import EventSourceMapping
from bootstrap.settings import VISIBILITY_PER_FUNCTION_TIMEOUT
from operations import declared
from operations.deadletters import list_dead_letters
from operations.doctor.check import Check, failed, info, ok, warning
from operations.doctor.permissions import lambda_may_assume, not_allowed
from operations.function_log import read_line, read_log
from operations.live_function import read_configuration, read_mapping, read_variables
from operations.queues import depth, redelivery
from profiles.environment import Environment, queue_url
from profiles.errors import CannotRunError
from runtime.settings import ConfigurationError
from terminal.untrusted import one_line

_LOOK_BACK_MS = 600_000
_MOST_LOG_PAGES = 20
_LONGEST_REASON = 240
_ON_ITS_WAY = ("Creating", "Enabling", "Updating")
_PATIENCE = "wait a minute: AWS is working on it"


def queue(environment: Environment, resource: Resource) -> Check:
    """The queue exists, and its redrive policy leads to its dead-letter queue."""
    live = resource.read(environment.aws)
    if not isinstance(live, Live):
        return failed(f"there is no queue {resource.name}: {environment.contract.plural} can't be sent")
    wanted, found = (one.get("RedrivePolicy", {}) for one in (resource.declared(), live.attributes))
    if wanted.get("deadLetterTargetArn") != found.get("deadLetterTargetArn"):
        target = wanted.get("deadLetterTargetArn", "none").rpartition(":")[2]
        endless = f"a bad {environment.contract.noun} is tried for ever"
        return failed(f"{resource.name} has no redrive policy to {target}: {endless}")
    counts = depth(environment.aws, live.outputs["QueueUrl"])
    return ok(f"{resource.name}: about {counts.waiting} waiting, {counts.in_flight} in flight")


def dead_letters(environment: Environment, resource: Resource) -> Check:
    """The dead-letter queue exists and is empty. If it is not, the fix depends on what the messages are."""
    try:
        count = depth(environment.aws, queue_url(environment, resource.name)).total
        letters = list_dead_letters(environment, queue=resource.name)  # SQS's count may be old
    except CannotRunError:
        return failed(f"there is no queue {resource.name}")
    if not (count or letters):
        return ok("none")
    found = f"about {max(count, len(letters))} messages failed too often{_alarms(environment, resource)}"
    if resource.name != environment.names.dead_letter_queue:
        return warning(found, "reasons: stockpipe logs --since 1d")
    invalid = sum(not letter.is_valid for letter in letters)
    if not invalid:
        return warning(found, "reasons: stockpipe dlq list; then: stockpipe dlq redrive")
    found += f"; {invalid} of {len(letters)} are not valid {environment.contract.plural} and can't ever succeed"
    if invalid == len(letters):
        return warning(found, "reasons: stockpipe dlq list; mend whoever sends them, then: stockpipe dlq purge")
    return warning(found, "reasons: stockpipe dlq list; send back the valid ones only: stockpipe dlq redrive ID")


def function(environment: Environment, resource: Resource) -> Check:
    """The function exists and is active, and its environment variables name the declared bucket and topic."""
    configuration = read_configuration(environment, resource.name)
    if configuration is None:
        return failed(f"there is no function {resource.name}: Lambda doesn't fire")
    state, update = configuration.get("State", "Active"), configuration.get("LastUpdateStatus", "Successful")
    if state == "Pending" or update == "InProgress":
        return warning(f"{resource.name} is {state}, its last update is {update}", _PATIENCE)
    if state == "Failed" or update == "Failed":
        reason = configuration.get("StateReason") or configuration.get("LastUpdateStatusReason") or "no reason given"
        return failed(f"{resource.name} is {state}, its last update {update}: {reason}")
    told = configuration.get("Environment", {}).get("Variables", {})
    wanted = resource.declared()["Environment"]["Variables"]
    try:
        if wanted.keys() >= {"BUCKET", "SNS_TOPIC_ARN"}:  # declared with a `FunctionEnvironment`
            read_variables(environment, configuration)
    except ConfigurationError as error:
        return failed(f"every invocation fails: {error}")
    for variable in ("BUCKET", "SNS_TOPIC_ARN"):
        if told.get(variable) != wanted.get(variable):
            return failed(f"its environment says {variable}={told.get(variable)}, not {wanted.get(variable)}")
    return ok(f"{resource.name}, {configuration.get('Runtime', '')}, {state}")


def mapping(environment: Environment, resource: EventSourceMapping) -> Check:
    """The event source mapping exists, is enabled, and reports partial batch failures."""
    source, target = resource.queue.name, resource.function.name
    found = read_mapping(environment, source, target)
    if found is None:
        return failed(f"nothing hands {source} to {target}: Lambda doesn't fire")
    state, problem = found.get("State", ""), found.get("LastProcessingResult", "")
    if state in _ON_ITS_WAY:
        return warning(f"the event source mapping is {state}", _PATIENCE)
    if state != "Enabled":
        return failed(f"the event source mapping is {state}: Lambda doesn't fire")
    if "ReportBatchItemFailures" not in found.get("FunctionResponseTypes", []):
        return failed(f"it ignores partial batch responses, so that failed {environment.contract.plural} would be lost")
    if problem.startswith("PROBLEM"):
        return failed(f"Lambda says: {problem}", "see the checks `function` and `role`")
    return ok(f"Enabled, batch size {found.get('BatchSize', '?')}")


def visibility(environment: Environment, resource: EventSourceMapping) -> Check:
    """The visibility timeout is what AWS recommends: six times the function's timeout, plus the batch window.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    source, target = resource.queue.name, resource.function.name
    configuration = read_configuration(environment, target)
    try:
        seconds = redelivery(environment.aws, queue_url(environment, source)).seconds
    except CannotRunError:
        return info("not checked without a queue")
    if configuration is None:
        return info("not checked without a function")
    timeout = configuration.get("Timeout", 3)
    window = (read_mapping(environment, source, target) or {}).get("MaximumBatchingWindowInSeconds", 0)
    recommended = VISIBILITY_PER_FUNCTION_TIMEOUT * timeout + window
    if seconds < recommended:
        more_than_once = f"{environment.contract.plural} may be processed twice"
        return warning(f"{seconds} s, but AWS recommends {recommended} s: {more_than_once}")
    and_window = f" and a batch window of {window} s" if window else ""
    return ok(f"{seconds} s for a function timeout of {timeout} s{and_window}")


def role(environment: Environment, resource: Resource) -> Check:
    """The function has this role, Lambda may assume it, and its live policies allow everything that is declared."""
    arn = environment.names.arn("iam", f"role/{resource.name}", regional=False)
    for one in declared.resources(environment, "function"):
        configuration = read_configuration(environment, one.name) if one.declared()["Role"] == arn else None
        if configuration is not None and configuration.get("Role") != arn:
            return failed(f"the function runs as {configuration.get('Role')}, not {arn}")
    live = resource.read(environment.aws)
    if not isinstance(live, Live):
        return failed(f"there is no role {resource.name}: the function may do nothing")
    if not lambda_may_assume(live.attributes["AssumeRolePolicyDocument"] or {}):
        return failed(f"the trust policy of {resource.name} doesn't let Lambda assume it")
    others = [_document(environment, resource.name, policy) for policy in live.attributes["OtherPolicies"]]
    documents = [live.attributes["PolicyDocument"] or {}, *others]
    if missing := not_allowed(resource.declared()["PolicyDocument"], documents):
        return failed(f"{resource.name} doesn't allow {', '.join(missing)}")
    return ok(f"{resource.name} allows what is declared")


def log(environment: Environment, resource: Resource) -> Check:
    """The log group exists, and has no failure in the last ten minutes."""
    since_ms = time.time_ns() // 1_000_000 - _LOOK_BACK_MS
    events = read_log(environment, since_ms=since_ms, pages=_MOST_LOG_PAGES, log_group=resource.name)
    try:
        lines = [read_line(event) for event in events]
    except environment.aws.logs.exceptions.ResourceNotFoundException:
        return failed(f"there is no log group {resource.name}: failures leave no trace")
    reasons: Counter[str] = Counter()
    for line in lines:
        if line.level == "REPORT" and line.fields.get("status") in ("error", "timeout"):
            reasons[f"an invocation ended with {line.fields['status']}"] += 1
        elif line.level in ("WARNING", "ERROR", "CRITICAL"):
            said = f"{line.message}: {line.fields['reason']}" if "reason" in line.fields else line.message
            reasons[one_line(said, _LONGEST_REASON)] += 1
    if not reasons:
        return ok("no failure in the last 10 minutes")
    (reason, count), *others = reasons.most_common()
    more = f", and {len(others)} other kinds" if others else ""
    return warning(f"{count} x in the last 10 minutes: {reason}{more}", "all of them: stockpipe logs --since 10m")


def _alarms(environment: Environment, watched: Resource) -> str:
    """The states of the alarms on a queue. CloudWatch may be a few minutes late."""
    said = ""
    for alarm in declared.resources(environment, "alarm"):
        if watched.name in (one["Value"] for one in alarm.declared()["Dimensions"]):
            live = alarm.read(environment.aws)
            said += f"; alarm {alarm.name}: {live.state if isinstance(live, Live) else 'missing'}"
    return said


def _document(environment: Environment, role_name: str, policy: str) -> Any:
    """A policy that is not declared: an inline one by its name, an attached one by its ARN."""
    iam = environment.aws.iam
    if not policy.startswith("arn:"):
        return iam.get_role_policy(RoleName=role_name, PolicyName=policy)["PolicyDocument"]
    try:
        version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
    except ClientError:  # one of AWS's own policies, which not every emulator has: what it allows is not known
        return {}
