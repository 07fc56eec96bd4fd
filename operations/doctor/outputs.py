"""Does what comes out arrive? Bucket and records, alerts and who gets them, history."""

from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pipeline.tick import ALERTS_PREFIX, PROCESSED_PREFIX

from analytics import athena
from analytics.result import HistoryError
from bootstrap.resources.sns import HOW_TO_CONFIRM, email_subscribers
from operations.doctor.check import Check, failed, info, ok, skipped, warning
from operations.doctor.flow import live_environment
from producer import manifest as manifests
from profiles.availability import is_missing_service
from profiles.environment import Environment, up_command
from profiles.errors import CannotRunError

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import SubscriptionTypeDef

_MOST_TICKS = 50_000  # of the latest run, to find its highest price


def bucket(
    environment: Environment,
) -> Check:
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
                f"{environment.names.bucket} is somebody else's, in another region, or closed to this profile ({status})",
                "choose another name with --bucket, or another --profile",
            )
        raise
    return ok("bucket", environment.names.bucket)


def records(
    environment: Environment,
) -> Check:
    """Something is stored; where nothing is, the history is empty."""
    try:
        some = _has_objects(environment, PROCESSED_PREFIX)
    except environment.aws.s3.exceptions.NoSuchBucket:
        return skipped("records", "not checked without a bucket")
    if some:
        return ok("records", f"there are some under {PROCESSED_PREFIX}")
    return info(
        "records", f"none yet under {PROCESSED_PREFIX}, so queries find nothing", "send ticks: stockpipe produce"
    )


def alerts(
    environment: Environment,
) -> Check:
    """The topic is there, and the inbox queue gets what is published to it."""
    try:
        subscriptions = _subscriptions(environment)
    except environment.aws.sns.exceptions.NotFoundException:
        return failed(
            "alerts",
            f"there is no topic {environment.names.topic}: breaching ticks fail and aren't stored",
            up_command(environment),
        )
    if not any(one["Endpoint"] == environment.names.inbox_queue_arn for one in subscriptions):
        return failed(
            "alerts",
            f"{environment.names.inbox_queue} isn't subscribed to {environment.names.topic}",
            up_command(environment),
        )
    return ok("alerts", f"{environment.names.topic} delivers to {environment.names.inbox_queue}")


def email(
    environment: Environment,
) -> Check:
    """Whoever subscribed by email has confirmed it. https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html"""
    subscribers = email_subscribers(environment.topic_arn)
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


def threshold(
    environment: Environment,
) -> Check:
    """Ticks reach the threshold; where none does, there is no alert, and nothing is broken."""
    environment = live_environment(environment)
    if environment is None:
        return skipped("threshold", "not checked without a function that works")
    limit = environment.alert_threshold
    highest = _highest_price(environment)
    if highest is not None and highest < limit:
        return warning(
            "threshold",
            f"{limit:,.2f}: no tick of the latest run reached it (highest: {highest:,.2f}), so there were no alerts",
            f"lower it: {up_command(environment)} --alert-threshold {highest * 0.9:.0f}",
        )
    try:
        alerted = _has_objects(environment, ALERTS_PREFIX)
    except environment.aws.s3.exceptions.NoSuchBucket:
        alerted = False
    cooldown = f"one alert per symbol in {environment.alert_cooldown_seconds} s"
    return ok("threshold", f"{limit:,.2f}, {cooldown}; {'alerts were sent' if alerted else 'no alert yet'}")


def history(
    environment: Environment,
) -> Check:
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
    expected = f"s3://{environment.names.bucket}/{PROCESSED_PREFIX}"
    try:
        table = environment.aws.glue.get_table(DatabaseName=environment.names.database, Name="records")["Table"]
    except environment.aws.glue.exceptions.EntityNotFoundException:
        return failed(
            "athena",
            f"there is no table {environment.names.database}.records",
            f"{up_command(environment)}; or query with --engine duckdb",
        )
    location = table.get("StorageDescriptor", {}).get("Location", "")
    if location.rstrip("/") != expected.rstrip("/"):
        return failed(
            "athena",
            f"{environment.names.database}.records reads {location}, not {expected}: it is empty",
            up_command(environment),
        )
    return ok(
        "athena", f"workgroup {environment.names.workgroup}, table {environment.names.database}.records over {expected}"
    )


def _has_objects(environment: Environment, prefix: str) -> bool:
    return bool(
        environment.aws.s3.list_objects_v2(Bucket=environment.names.bucket, Prefix=prefix, MaxKeys=1).get("Contents")
    )


def _subscriptions(
    environment: Environment,
) -> "list[SubscriptionTypeDef]":
    pages = environment.aws.sns.get_paginator("list_subscriptions_by_topic").paginate(
        TopicArn=environment.names.topic_arn
    )
    return [one for page in pages for one in page["Subscriptions"]]


def _highest_price(
    environment: Environment,
) -> float | None:
    """Of the last run on this machine; None if there was none, or if its manifest can't be read."""
    try:
        path = manifests.latest_path(environment)
        return (
            max((sent.tick.price for sent in islice(manifests.read(path), _MOST_TICKS)), default=None) if path else None
        )
    except CannotRunError:
        return None
