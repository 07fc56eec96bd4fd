"""What every room says and does where part of an environment isn't there."""

import shlex
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import BUILT_IN_PROFILE, Aws

# What endpoints answer for a queue that isn't there: AWS, and whoever leaves the prefix out.
MISSING_QUEUE_CODES = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


def up_command(aws: Aws, names: Names) -> str:
    """What makes or repairs the environment. Settings other than the names have to be given again."""
    options = {
        "--profile": "" if aws.profile.name == BUILT_IN_PROFILE else aws.profile.name,
        "--prefix": names.prefix,
        "--bucket": names.bucket_override,
    }
    given = [part for option, value in options.items() if value for part in (option, value)]
    return shlex.join(["stockpipe", "up", *given])


def queue_url(aws: Aws, names: Names, queue: str) -> str:
    """The URL of one of the environment's queues. Raises `CannotRunError` where it doesn't exist."""
    try:
        return aws.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    except KeyError:
        raise CannotRunError(f"the endpoint of profile {aws.profile.name} returned no URL for queue {queue}") from None
    except ClientError as error:
        if error.response["Error"]["Code"] not in MISSING_QUEUE_CODES:
            raise
        raise CannotRunError(
            f"there is no queue {queue} in profile {aws.profile.name}; run: {up_command(aws, names)}"
        ) from error


def environment_made_at(aws: Aws, names: Names) -> datetime:
    """When the current environment was created: the creation time of its tick queue, in whole seconds.

    It distinguishes an environment from an earlier one with the same names. Raises `CannotRunError` if there is no
    queue.
    """
    answer = aws.sqs.get_queue_attributes(
        QueueUrl=queue_url(aws, names, names.queue), AttributeNames=["CreatedTimestamp"]
    )
    try:
        return datetime.fromtimestamp(int(float(answer["Attributes"]["CreatedTimestamp"])), UTC)
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise CannotRunError(
            f"queue {names.queue} in profile {aws.profile.name} has no CreatedTimestamp, so manifests of this "
            "environment can't be told from those of an earlier one. Name a file with --manifest"
        ) from error
