"""Which API operations bootstrap makes: those its resources declare for any state, and those seen on the wire.

python -m tests.support.operations_made http://localhost:4566      writes bootstrap/recorded_calls.json anew
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from bootstrap import Settings, down, status, up
from bootstrap.admin_policy import RECORDED_CALLS
from bootstrap.declaration import declare
from bootstrap.model import Call, EmptyBucket, Live, Resource, Step, Wait
from profiles.environment import Environment
from profiles.session import Aws, open_endpoint
from tests.support.aws_calls import Recorder, record
from tests.support.environments import at, stock_names, stock_settings

Operation = tuple[str, str]

_EMPTYING = ("ListObjectVersions", "DeleteObjects", "ListMultipartUploads", "AbortMultipartUpload")


def declared_operations(environment: Environment, settings: Settings) -> set[Operation]:
    """What creating, updating in every attribute, and deleting would call; nothing is called."""
    resources = declare(environment.pipeline, environment.names, settings)
    return {operation for resource in resources for step in _steps(resource) for operation in _of(step)}


def seen_operations(recorder: Recorder) -> set[Operation]:
    """What was called."""
    return {(call.service, call.operation) for call in recorder.sent}


def live_through(environment: Environment, settings: Settings, somebody_else: Aws) -> None:
    """An environment's life: made, looked at, put right after somebody changed it, and removed with data in it."""
    bucket = environment.names.bucket
    up(environment, settings)
    status(environment, settings)
    somebody_else.s3.delete_bucket_tagging(Bucket=bucket)  # of a bucket without our tag, more is read
    up(environment, settings)
    somebody_else.s3.put_object(Bucket=bucket, Key="processed/A/1-a.json", Body=b"{}")
    somebody_else.s3.create_multipart_upload(Bucket=bucket, Key="unfinished")
    down(environment, settings, keep_data=True)
    down(environment, settings)


def write(operations: Iterable[Operation], path: Path) -> None:
    """Write them as JSON: service → its operations, sorted."""
    found = sorted(operations)
    services = sorted({service for service, _ in found})
    content = {service: [name for owner, name in found if owner == service] for service in services}
    path.write_text(json.dumps(content, indent=2) + "\n")


def _steps(resource: Resource) -> Iterator[Step]:
    foreign = {"OtherPolicies": ["inline", "arn:aws:iam::aws:policy/Managed"]}
    live = Live(
        "arn",
        "confirmed",
        {**resource.declared(), **foreign},
        outputs={"UUID": "uuid"},
        notes={"inline": [getattr(resource, "policy_name", "")]},
    )
    yield from resource.create()
    yield from resource.update(live, frozenset(resource.declared()))
    yield from resource.delete(live)


def _of(step: Step) -> Iterator[Operation]:
    match step:
        case Call() | Wait():
            yield step.service, step.operation
        case EmptyBucket():
            yield from (("s3", operation) for operation in _EMPTYING)


def main(endpoint_url: str) -> None:
    """Write the file from what an environment's life at this endpoint takes."""
    aws = open_endpoint(endpoint_url)
    environment = at(aws, stock_names(aws.account, "record"))
    settings = stock_settings(alert_email="somebody@example.com")
    recorder = record(aws)
    live_through(environment, settings, open_endpoint(endpoint_url))
    write(seen_operations(recorder) | declared_operations(environment, settings), RECORDED_CALLS)


if __name__ == "__main__":
    main(sys.argv[1])
