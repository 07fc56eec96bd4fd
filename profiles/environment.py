"""One environment of a pipeline, and the errors for missing parts of it."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.pipeline import Pipeline
from profiles.session import BUILT_IN_PROFILE, Aws
from runtime.contract import Contract

# The error codes for a missing queue: of AWS, and of endpoints that leave the prefix out.
MISSING_QUEUE_CODES = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


@dataclass(frozen=True)
class Environment:
    """A pipeline in an account: the clients of a profile, and the names of the resources."""

    pipeline: Pipeline
    aws: Aws
    names: Names

    @property
    def contract(self) -> Contract[Any]:
        """The pipeline's data contract."""
        return self.pipeline.contract


def up_command(environment: Environment) -> str:
    """The command that makes or repairs the environment. It contains no settings other than the names."""
    names, profile = environment.names, environment.aws.profile.name
    options = {
        "--pipeline": "" if environment.pipeline.is_default else str(environment.pipeline.folder),
        "--profile": "" if profile == BUILT_IN_PROFILE else profile,
        "--prefix": names.prefix,
        "--bucket": names.bucket_override,
    }
    given = [part for option, value in options.items() if value for part in (option, value)]
    return shlex.join(["stockpipe", "up", *given])


def queue_url(environment: Environment, queue: str) -> str:
    """The URL of one of the environment's queues. Raises `CannotRunError` where it doesn't exist."""
    profile = environment.aws.profile.name
    try:
        return environment.aws.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    except KeyError:
        raise CannotRunError(f"the endpoint of profile {profile} returned no URL for queue {queue}") from None
    except ClientError as error:
        if error.response["Error"]["Code"] not in MISSING_QUEUE_CODES:
            raise
        raise CannotRunError(
            f"there is no queue {queue} in profile {profile}; run: {up_command(environment)}"
        ) from error


def environment_made_at(environment: Environment) -> datetime:
    """When the current environment was created: the creation time of its queue, in whole seconds.

    It distinguishes an environment from an earlier one with the same names. Raises `CannotRunError` if there is no
    queue.
    """
    queue = environment.names.queue
    answer = environment.aws.sqs.get_queue_attributes(
        QueueUrl=queue_url(environment, queue), AttributeNames=["CreatedTimestamp"]
    )
    try:
        return datetime.fromtimestamp(int(float(answer["Attributes"]["CreatedTimestamp"])), UTC)
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise CannotRunError(
            f"queue {queue} in profile {environment.aws.profile.name} has no CreatedTimestamp, so manifests of this "
            "environment can't be told from those of an earlier one. Name a file with --manifest"
        ) from error
