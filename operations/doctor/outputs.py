"""Does what comes out arrive? Bucket and records, alerts and who gets them, history."""

from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from analytics import athena
from analytics.result import HistoryError
from analytics.tables import tables
from bootstrap.resources.sns import HOW_TO_CONFIRM, email_subscribers
from operations.doctor.check import Check, failed, info, ok, skipped, warning
from operations.live_function import read_environment
from producer import manifest as manifests
from profiles.availability import is_missing_service
from profiles.environment import Environment, up_command
from profiles.errors import CannotRunError
from runtime.contract import ALERTS_PREFIX
from runtime.fields import Record
from runtime.settings import FunctionSettings, settings_of

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import SubscriptionTypeDef

_MOST_RECORDS = 50_000  # of the latest run


def bucket(environment: Environment) -> Check:
    """The bucket is there and can be reached by whoever asks."""
    try:
        environment.aws.s3.head_bucket(Bucket=environment.names.bucket)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return failed(
                "bucket",
                f"there is no bucket {environment.names.bucket}: nothing can be stored",
                up_command(environment),
            )
        if status in (301, 403):
            return failed(
                "bucket",
                f"{environment.names.bucket} is somebody else's, in another region, or closed to this profile "
                f"({status})",
                "choose another name with --bucket, or another --profile",
            )
        raise
    return ok("bucket", environment.names.bucket)


def records(environment: Environment) -> Check:
    """Something is stored; where nothing is, the history is empty."""
    prefix, plural = environment.contract.prefix, environment.contract.plural
    try:
        some = _has_objects(environment, prefix)
    except environment.aws.s3.exceptions.NoSuchBucket:
        return skipped("records", "not checked without a bucket")
    if some:
        return ok("records", f"there are some under {prefix}")
    return info("records", f"none yet under {prefix}, so queries find nothing", f"send {plural}: stockpipe produce")


def alerts(environment: Environment) -> Check:
    """The topic is there, and the inbox queue gets what is published to it."""
    try:
        subscriptions = _subscriptions(environment)
    except environment.aws.sns.exceptions.NotFoundException:
        return failed(
            "alerts",
            f"there is no topic {environment.names.topic}: {environment.contract.plural} to be alerted fail, "
            "and aren't stored",
            up_command(environment),
        )
    if not any(one["Endpoint"] == environment.names.inbox_queue_arn for one in subscriptions):
        return failed(
            "alerts",
            f"{environment.names.inbox_queue} isn't subscribed to {environment.names.topic}",
            up_command(environment),
        )
    return ok("alerts", f"{environment.names.topic} delivers to {environment.names.inbox_queue}")


def email(environment: Environment) -> Check:
    """Whoever subscribed by email has confirmed it. https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html"""
    subscribers = email_subscribers(environment.aws, environment.names.topic_arn)
    pending = [one.address for one in subscribers if not one.confirmed]
    if pending:
        return failed(
            "email",
            f"{', '.join(pending)}: {HOW_TO_CONFIRM}",
            f"no mail came, or the link is too old: {up_command(environment)} --alert-email {pending[0]}",
        )
    if not subscribers:
        return info(
            "email",
            "nobody gets alerts by email",
            f"subscribe with: {up_command(environment)} --alert-email you@example.com",
        )
    return ok("email", f"confirmed: {', '.join(one.address for one in subscribers)}")


def rules(environment: Environment) -> Check:
    """An alert rule applies to some records; where none does, there is no alert, and nothing is broken."""
    try:
        told = read_environment(environment).settings
    except CannotRunError:
        return skipped("rules", "not checked without a function that works")
    contract, all_rules = environment.contract, environment.pipeline.rules
    own = [about for name, about in settings_of(told).items() if name not in settings_of(FunctionSettings)]
    set_to = [f"{about.variable}={value}" for about in own if (value := told.written().get(about.variable))]
    found = " ".join([", ".join(rule.name for rule in all_rules), *set_to])
    records = _latest_records(environment)
    alerted = sum(any(rule.applies(record, told) for rule in all_rules) for record in records)
    if records and not alerted:
        highest = f"{max(getattr(record, contract.charted) for record in records):,.2f}"
        return warning(
            "rules",
            f"{found}: no rule applies to a {contract.noun} of the latest run "
            f"(highest {contract.charted}: {highest}), so there were no alerts",
            f"{up_command(environment)}, with another {' or '.join(about.flag for about in own)}",
        )
    try:
        sent = "alerts were sent" if _has_objects(environment, ALERTS_PREFIX) else "no alert yet"
    except environment.aws.s3.exceptions.NoSuchBucket:
        sent = "no alert yet"
    latest = f"; for {alerted:,} of {len(records):,} {contract.plural} of the latest run" if records else ""
    cooldown = f"one alert per rule and {'/'.join(contract.record.GROUP)} in {told.alert_cooldown_seconds} s"
    return ok("rules", f"{found}{latest}; {cooldown}; {sent}")


def history(environment: Environment) -> Check:
    """Athena has the workgroup and the table of this bucket; or there is no Athena, and queries run offline."""
    try:
        athena.check_workgroup(environment)
    except HistoryError:
        return failed(
            "athena",
            f"there is no workgroup {environment.names.workgroup}",
            f"{up_command(environment)}; or query with --engine duckdb",
        )
    except ClientError as error:
        if is_missing_service(error):
            return ok("athena", "not at this endpoint: queries run offline, the same SQL on DuckDB")
        raise
    declared = next(iter(tables(environment).values()))
    name, expected = f"{environment.names.database}.{declared.name}", f"s3://{declared.bucket}/{declared.prefix}"
    try:
        table = environment.aws.glue.get_table(DatabaseName=environment.names.database, Name=declared.name)["Table"]
    except environment.aws.glue.exceptions.EntityNotFoundException:
        return failed(
            "athena",
            f"there is no table {name}",
            f"{up_command(environment)}; or query with --engine duckdb",
        )
    location = table.get("StorageDescriptor", {}).get("Location", "")
    if location.rstrip("/") != expected.rstrip("/"):
        return failed("athena", f"{name} reads {location}, not {expected}: it is empty", up_command(environment))
    return ok("athena", f"workgroup {environment.names.workgroup}, table {name} over {expected}")


def _has_objects(environment: Environment, prefix: str) -> bool:
    return bool(
        environment.aws.s3.list_objects_v2(Bucket=environment.names.bucket, Prefix=prefix, MaxKeys=1).get("Contents")
    )


def _subscriptions(environment: Environment) -> "list[SubscriptionTypeDef]":
    pages = environment.aws.sns.get_paginator("list_subscriptions_by_topic").paginate(
        TopicArn=environment.names.topic_arn
    )
    return [one for page in pages for one in page["Subscriptions"]]


def _latest_records(environment: Environment) -> list[Record]:
    """Of the last run on this machine; none if there was none, or if its manifest can't be read."""
    try:
        path = manifests.latest_path(environment)
        sent = islice(manifests.read(path, environment.contract), _MOST_RECORDS) if path else ()
        return [one.record for one in sent]
    except CannotRunError:
        return []
