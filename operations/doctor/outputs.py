"""Checks of what the functions write: bucket and records, alerts and their subscribers, tables."""

from itertools import islice

from botocore.exceptions import ClientError

from bootstrap.model import Live, Unavailable
from bootstrap.resources.sns import HOW_TO_CONFIRM, Subscription, email_subscribers
from operations import declared, live_function
from operations.doctor.check import UP, Check, failed, info, ok, skipped, warning
from producer import manifest as manifests
from profiles.environment import Environment
from profiles.errors import CannotRunError
from runtime.contract import ALERTS_PREFIX
from runtime.fields import Record
from runtime.settings import FunctionSettings, settings_of

_MOST_RECORDS = 50_000  # of the latest run


def bucket(environment: Environment) -> Check:
    """The bucket exists, and this profile can reach it."""
    name = environment.names.bucket
    try:
        environment.aws.s3.head_bucket(Bucket=name)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return failed(f"there is no bucket {name}: nothing can be stored")
        if status in (301, 403):
            found = f"{name} is somebody else's, in another region, or closed to this profile ({status})"
            return failed(found, "choose another name with --bucket, or another --profile")
        raise
    return ok(name)


def records(environment: Environment) -> Check:
    """There are stored records."""
    prefix, plural = environment.contract.prefix, environment.contract.plural
    some = _has_objects(environment, prefix)
    if some is None:
        return skipped("not checked without a bucket")
    if some:
        return ok(f"there are some under {prefix}")
    return info(f"none yet under {prefix}, so queries find nothing", f"send {plural}: stockpipe produce")


def alerts(environment: Environment) -> Check:
    """The topic exists, and every queue that is declared as a subscriber gets its messages."""
    topic, sns = environment.names.topic, environment.aws.sns
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=environment.names.topic_arn)
    try:
        live = [one["Endpoint"] for page in pages for one in page["Subscriptions"]]
    except sns.exceptions.NotFoundException:
        plural = environment.contract.plural
        return failed(f"there is no topic {topic}: {plural} to be alerted fail, and aren't stored")
    subscriptions = declared.resources(environment, "subscription")
    arns = [one.endpoint for one in subscriptions if isinstance(one, Subscription) and one.protocol == "sqs"]
    queues = {arn: arn.rpartition(":")[2] for arn in arns}
    if missing := [name for arn, name in queues.items() if arn not in live]:
        return failed(f"{', '.join(missing)} isn't subscribed to {topic}")
    for queue in declared.resources(environment, "queue"):
        if queue.name in queues.values() and queue.read(environment.aws) is None:
            return failed(f"there is no queue {queue.name}: what {topic} delivers to it is lost")
    return ok(f"{topic} delivers to {', '.join(queues.values())}")


def email(environment: Environment) -> Check:
    """All email subscriptions are confirmed.

    https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html
    """
    subscribers = email_subscribers(environment.aws, environment.names.topic_arn)
    pending = [one.address for one in subscribers if not one.confirmed]
    if pending:
        fix = f"no mail came, or the link is too old: {UP} --alert-email {pending[0]}"
        return failed(f"{', '.join(pending)}: {HOW_TO_CONFIRM}", fix)
    if not subscribers:
        return info("nobody gets alerts by email", f"subscribe with: {UP} --alert-email you@example.com")
    return ok(f"confirmed: {', '.join(one.address for one in subscribers)}")


def rules(environment: Environment) -> Check:
    """An alert rule applies to some records of the latest run. If none does, no alert is due, and nothing is broken."""
    try:
        told = live_function.read_function(environment).settings
    except CannotRunError:
        return skipped("not checked without a function that works")
    contract, all_rules = environment.contract, environment.pipeline.rules
    own = [about for name, about in settings_of(told).items() if name not in settings_of(FunctionSettings)]
    set_to = [f"{about.variable}={value}" for about in own if (value := told.written().get(about.variable))]
    found = " ".join([", ".join(rule.name for rule in all_rules), *set_to])
    records = _latest_records(environment)
    alerted = sum(any(rule.applies(record, told) for rule in all_rules) for record in records)
    if records and not alerted:
        highest = f"{max(getattr(record, contract.charted) for record in records):,.2f}"
        return warning(
            f"{found}: no rule applies to a {contract.noun} of the latest run "
            f"(highest {contract.charted}: {highest}), so there were no alerts",
            f"{UP}, with another {' or '.join(about.flag for about in own)}",
        )
    sent = "alerts were sent" if _has_objects(environment, ALERTS_PREFIX) else "no alert yet"
    latest = f"; for {alerted:,} of {len(records):,} {contract.plural} of the latest run" if records else ""
    cooldown = f"one alert per rule and {'/'.join(contract.record.GROUP)} in {told.alert_cooldown_seconds} s"
    return ok(f"{found}{latest}; {cooldown}; {sent}")


def history(environment: Environment) -> Check:
    """The workgroup and the tables exist and read this bucket; or there is no Athena, and queries run offline."""
    offline = f"{UP}; or query with --engine duckdb"
    for workgroup in declared.resources(environment, "workgroup"):
        live = workgroup.read(environment.aws)
        if isinstance(live, Unavailable):
            return ok("not at this endpoint: queries run offline, the same SQL on DuckDB")
        if live is None:
            return failed(f"there is no workgroup {workgroup.name}", offline)
    tables = declared.resources(environment, "table")
    for table in tables:
        live, wanted = table.read(environment.aws), table.declared()["Location"]
        if not isinstance(live, Live):
            return failed(f"there is no table {table.name}", offline)
        location = live.attributes["Location"] or ""
        if location.rstrip("/") != wanted.rstrip("/"):
            return failed(f"{table.name} reads {location}, not {wanted}: it is empty")
    over = "".join(f", table {table.name} over {table.declared()['Location']}" for table in tables[:1])
    return ok(f"workgroup {environment.names.workgroup}{over}")


def _has_objects(environment: Environment, prefix: str) -> bool | None:
    """Whether there is an object with this prefix; None if there is no bucket."""
    s3 = environment.aws.s3
    try:
        found = s3.list_objects_v2(Bucket=environment.names.bucket, Prefix=prefix, MaxKeys=1)
    except s3.exceptions.NoSuchBucket:
        return None
    return bool(found.get("Contents"))


def _latest_records(environment: Environment) -> list[Record]:
    """The records of the latest run on this machine; none if there was no run, or if its manifest can't be read."""
    try:
        path = manifests.latest_path(environment)
        sent = islice(manifests.read(path, environment.contract), _MOST_RECORDS) if path else ()
        return [one.record for one in sent]
    except CannotRunError:
        return []
