"""What Athena needs before the first query: the workgroup, the database and the tables of the JSON objects.

`create` and `remove` may be repeated. Where the endpoint has no Athena they say so in one line and do nothing: the
offline engine needs none of this.
"""

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from analytics import athena, statements
from profiles.names import Names
from profiles.session import Aws

if TYPE_CHECKING:
    from collections.abc import Iterator

Announce = Callable[[str], None]

RESULTS_PREFIX = "athena-results/"
BYTES_SCANNED_LIMIT = 100 * 10**9  # $0.50: a query that would cost more is cancelled by Athena


def create(aws: Aws, names: Names, announce: Announce = lambda _: None) -> bool:
    """Make workgroup, database and tables; False where the endpoint has no Athena."""
    try:
        _create_workgroup(aws, names)
    except ClientError as error:
        if not athena.is_missing_service(error):
            raise
        announce("Athena: skipped, this endpoint has none; stockpipe query runs offline instead")
        return False
    # Glue's call rather than create_database.sql: the effect is the same, and it works on every endpoint with Athena
    with _accepting("AlreadyExistsException"):
        aws.glue.create_database(DatabaseInput={"Name": names.database})
    for table in ("records", "record_details"):
        athena.run(aws, names, statements.create_table(names, table))
    return True


def remove(aws: Aws, names: Names, announce: Announce = lambda _: None) -> bool:
    """Remove the database with its tables, and the workgroup with its queries; no object in the bucket is touched."""
    try:
        with _accepting("InvalidRequestException"):  # there is no such workgroup
            aws.athena.delete_work_group(WorkGroup=names.workgroup, RecursiveDeleteOption=True)
    except ClientError as error:
        if not athena.is_missing_service(error):
            raise
        announce("Athena: nothing to remove, this endpoint has none")
        return False
    with _accepting("EntityNotFoundException"):
        aws.glue.delete_database(Name=names.database)
    return True


def workgroup_configuration(names: Names) -> dict[str, Any]:
    """The workgroup's settings: results under `athena-results/` whatever a client asks for, encrypted, with a limit."""
    return {
        "ResultConfiguration": {
            "OutputLocation": f"s3://{names.bucket}/{RESULTS_PREFIX}",
            "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
        },
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": True,
        "BytesScannedCutoffPerQuery": BYTES_SCANNED_LIMIT,
    }


def _create_workgroup(aws: Aws, names: Names) -> None:
    tags = [{"Key": "stockpipe:environment", "Value": names.environment}]
    configuration: Any = workgroup_configuration(names)
    try:
        aws.athena.create_work_group(Name=names.workgroup, Configuration=configuration, Tags=tags)  # type: ignore[arg-type]
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidRequestException":
            raise
        aws.athena.get_work_group(WorkGroup=names.workgroup)  # else the request was invalid for another reason
        updates = dict(configuration)
        updates["ResultConfigurationUpdates"] = updates.pop("ResultConfiguration")
        aws.athena.update_work_group(WorkGroup=names.workgroup, ConfigurationUpdates=updates)  # type: ignore[arg-type]


@contextmanager
def _accepting(code: str) -> "Iterator[None]":
    """Go on where AWS answers that the wish is already fulfilled."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
