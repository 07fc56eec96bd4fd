"""Does what comes out arrive? Bucket and records, alerts and who gets them, history."""

from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from analytics import athena
from analytics.result import HistoryError
from bootstrap.resources.sns import HOW_TO_CONFIRM, email_subscribers
from operations.doctor.check import Check, failed, info, ok, skipped, warning
from operations.doctor.flow import live_environment
from pipeline.tick import ALERTS_PREFIX, PROCESSED_PREFIX
from producer import manifest as manifests
from profiles.availability import is_missing_service
from profiles.environment import up_command
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import Aws

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import SubscriptionTypeDef

_MOST_TICKS = 50_000  # of the latest run, to find its highest price


def bucket(aws: Aws, names: Names) -> Check:
    """The bucket is there and can be reached by whoever asks."""
    try:
        aws.s3.head_bucket(Bucket=names.bucket)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return failed("bucket", f"there is no bucket {names.bucket}: nothing can be stored", up_command(aws, names))
        if status in (301, 403):
            return failed(
                "bucket",
                f"{names.bucket} is somebody else's, in another region, or closed to this profile ({status})",
                "choose another name with --bucket, or another --profile",
            )
        raise
    return ok("bucket", names.bucket)


def records(aws: Aws, names: Names) -> Check:
    """Something is stored; where nothing is, the history is empty."""
    try:
        some = _has_objects(aws, names, PROCESSED_PREFIX)
    except aws.s3.exceptions.NoSuchBucket:
        return skipped("records", "not checked without a bucket")
    if some:
        return ok("records", f"there are some under {PROCESSED_PREFIX}")
    return info(
        "records", f"none yet under {PROCESSED_PREFIX}, so queries find nothing", "send ticks: stockpipe produce"
    )


def alerts(aws: Aws, names: Names) -> Check:
    """The topic is there, and the inbox queue gets what is published to it."""
    try:
        subscriptions = _subscriptions(aws, names)
    except aws.sns.exceptions.NotFoundException:
        return failed(
            "alerts",
            f"there is no topic {names.topic}: breaching ticks fail and aren't stored",
            up_command(aws, names),
        )
    if not any(one["Endpoint"] == names.inbox_queue_arn for one in subscriptions):
        return failed("alerts", f"{names.inbox_queue} isn't subscribed to {names.topic}", up_command(aws, names))
    return ok("alerts", f"{names.topic} delivers to {names.inbox_queue}")


def email(aws: Aws, names: Names) -> Check:
    """Whoever subscribed by email has confirmed it. https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html"""
    subscribers = email_subscribers(aws, names.topic_arn)
    pending = [one.address for one in subscribers if not one.confirmed]
    if pending:
        return failed(
            "email",
            f"{', '.join(pending)}: {HOW_TO_CONFIRM}",
            f"no mail came, or the link is too old: {up_command(aws, names)} --alert-email {pending[0]}",
        )
    if not subscribers:
        return info(
            "email",
            "nobody gets alerts by email",
            f"subscribe with: {up_command(aws, names)} --alert-email you@example.com",
        )
    return ok("email", f"confirmed: {', '.join(one.address for one in subscribers)}")


def threshold(aws: Aws, names: Names) -> Check:
    """Ticks reach the threshold; where none does, there is no alert, and nothing is broken."""
    environment = live_environment(aws, names)
    if environment is None:
        return skipped("threshold", "not checked without a function that works")
    limit = environment.alert_threshold
    highest = _highest_price(aws, names)
    if highest is not None and highest < limit:
        return warning(
            "threshold",
            f"{limit:,.2f}: no tick of the latest run reached it (highest: {highest:,.2f}), so there were no alerts",
            f"lower it: {up_command(aws, names)} --alert-threshold {highest * 0.9:.0f}",
        )
    try:
        alerted = _has_objects(aws, names, ALERTS_PREFIX)
    except aws.s3.exceptions.NoSuchBucket:
        alerted = False
    cooldown = f"one alert per symbol in {environment.alert_cooldown_seconds} s"
    return ok("threshold", f"{limit:,.2f}, {cooldown}; {'alerts were sent' if alerted else 'no alert yet'}")


def history(aws: Aws, names: Names) -> Check:
    """Athena has the workgroup and the table of this bucket; or there is no Athena, and queries run offline."""
    try:
        athena.check_workgroup(aws, names)
    except HistoryError:
        return failed(
            "athena",
            f"there is no workgroup {names.workgroup}",
            f"{up_command(aws, names)}; or query with --engine duckdb",
        )
    except ClientError as error:
        if is_missing_service(error):
            return ok("athena", "not at this endpoint: queries run offline, the same SQL on DuckDB")
        raise
    expected = f"s3://{names.bucket}/{PROCESSED_PREFIX}"
    try:
        table = aws.glue.get_table(DatabaseName=names.database, Name="records")["Table"]
    except aws.glue.exceptions.EntityNotFoundException:
        return failed(
            "athena",
            f"there is no table {names.database}.records",
            f"{up_command(aws, names)}; or query with --engine duckdb",
        )
    location = table.get("StorageDescriptor", {}).get("Location", "")
    if location.rstrip("/") != expected.rstrip("/"):
        return failed(
            "athena",
            f"{names.database}.records reads {location}, not {expected}: it is empty",
            up_command(aws, names),
        )
    return ok("athena", f"workgroup {names.workgroup}, table {names.database}.records over {expected}")


def _has_objects(aws: Aws, names: Names, prefix: str) -> bool:
    return bool(aws.s3.list_objects_v2(Bucket=names.bucket, Prefix=prefix, MaxKeys=1).get("Contents"))


def _subscriptions(aws: Aws, names: Names) -> "list[SubscriptionTypeDef]":
    pages = aws.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=names.topic_arn)
    return [one for page in pages for one in page["Subscriptions"]]


def _highest_price(aws: Aws, names: Names) -> float | None:
    """Of the last run on this machine; None if there was none, or if its manifest can't be read."""
    try:
        path = manifests.latest_path(aws, names)
        return (
            max((sent.tick.price for sent in islice(manifests.read(path), _MOST_TICKS)), default=None) if path else None
        )
    except CannotRunError:
        return None
