"""Amazon Athena: the workgroup, and in AWS Glue's catalogue the database and its tables.

An endpoint that hasn't got Athena or Glue says so itself, and then these are skipped: `stockpipe query` runs offline.
The tables are those of the pipeline's `sql/`. Only their names and shapes are here: records stay in the bucket.

https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfiguration.html
https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bootstrap.model import Attributes, Call, Live, Step
from bootstrap.resource import Resource, tag_map
from bootstrap.resources.s3 import Bucket
from bootstrap.table_definitions import Column, TableDefinition
from profiles.names import Names
from profiles.session import Aws

RESULTS_PREFIX = "athena-results/"
NO_ATHENA = "this endpoint has no Athena, so `stockpipe query` runs offline"

# Athena's only code for "is not found", "is already created" and whatever else it doesn't like.
_INVALID_REQUEST = "InvalidRequestException"
_NOT_THERE = ("EntityNotFoundException",)
_CATALOG = {"Ref": "AWS::AccountId"}

# What the table of compacted records spans: `stockpipe compact` widens it, and `up` leaves that alone.
_SET_BY_COMPACTION = re.compile(r"projection\.\w+\.(range|values)")


@dataclass(frozen=True)
class WorkGroup(Resource):
    """A workgroup whose settings no client can override. Its results are in the bucket.

    So it is gone before the bucket, and no query writes results while that is emptied.
    """

    names: Names
    name: str
    bucket: Bucket
    bytes_scanned_limit: int
    kind = "workgroup"
    service = "athena"
    arn_resource = "workgroup/{}"
    named_by = "WorkGroup"
    not_there = (_INVALID_REQUEST,)
    unavailable = NO_ATHENA
    allowed = (
        ("Workgroup", "CreateWorkGroup DeleteWorkGroup GetWorkGroup ListTagsForResource TagResource UpdateWorkGroup"),
    )
    cloudformation = "AWS::Athena::WorkGroup"

    @property
    def configuration(self) -> dict[str, Any]:
        """As CreateWorkGroup names it."""
        return {
            "ResultConfiguration": {
                "OutputLocation": f"s3://{self.bucket.name}/{RESULTS_PREFIX}",
                "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
            },
            "EnforceWorkGroupConfiguration": True,
            "PublishCloudWatchMetricsEnabled": True,
            "BytesScannedCutoffPerQuery": self.bytes_scanned_limit,
        }

    def attributes(self) -> Attributes:
        """The configuration, and the state."""
        return {**self.configuration, "State": "ENABLED"}

    def look(self, aws: Aws) -> Live:
        """GetWorkGroup, ListTagsForResource."""
        found = aws.athena.get_work_group(WorkGroup=self.name)["WorkGroup"]
        tags = tag_map(aws.athena.list_tags_for_resource(ResourceARN=self.arn)["Tags"])
        state = found.get("State", "")
        return self.live(state, {**found.get("Configuration", {}), "State": state}, tags)

    def create(self) -> Iterable[Step]:
        """CreateWorkGroup with its tag."""
        yield self.call(
            "CreateWorkGroup",
            named=False,
            Name=self.name,
            Configuration=self.configuration,
            Tags=self.tags,
            raced=(_INVALID_REQUEST,),
            raced_text="already",
        )

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """UpdateWorkGroup with all settings."""
        updates = self.configuration
        updates["ResultConfigurationUpdates"] = updates.pop("ResultConfiguration")
        yield self.call("UpdateWorkGroup", State="ENABLED", ConfigurationUpdates=updates, raced=())

    def tag(self, live: Live | None = None) -> Call:
        """TagResource; here, too, Athena's only code may mean anything."""
        return replace(super().tag(live), raced=())

    def delete(self, live: Live) -> Iterable[Step]:  # noqa: ARG002
        """DeleteWorkGroup, with its query history."""
        yield self.call("DeleteWorkGroup", RecursiveDeleteOption=True, accepted=self.not_there)

    def properties(self) -> Mapping[str, Any]:
        """The configuration."""
        configuration = {"WorkGroupConfiguration": self.configuration, "RecursiveDeleteOption": True}
        return {"Name": self.name, "State": "ENABLED", **configuration}


@dataclass(frozen=True)
class Database(Resource):
    """A database. Its mark is a parameter rather than a tag, because CloudFormation can't tag databases."""

    names: Names
    name: str
    kind = "database"
    service = "glue"
    arn_resource = "database/{}"
    named_by = "Name"
    tagged = "Parameters"
    tag_list = False
    allowed = (("Catalogue", "CreateDatabase DeleteDatabase GetDatabase UpdateDatabase"),)
    cloudformation = "AWS::Glue::Database"
    deleted_by = "DeleteDatabase"  # with tables that others have made in it
    not_there = _NOT_THERE
    unavailable = NO_ATHENA

    def attributes(self) -> Attributes:
        """None but the mark."""
        return {}

    def look(self, aws: Aws) -> Live:
        """GetDatabase."""
        found: Mapping[str, Any] = aws.glue.get_database(Name=self.name)["Database"]
        parameters = found.get("Parameters", {})
        others = {key: found[key] for key in ("Description", "LocationUri") if found.get(key)}
        return self.live("available", {}, parameters, notes={"input": {**others, "Parameters": parameters}})

    def create(self) -> Iterable[Step]:
        """CreateDatabase."""
        made = {"Name": self.name, "Parameters": self.tags}
        yield self.call("CreateDatabase", named=False, DatabaseInput=made, raced=("AlreadyExistsException",))

    def tag(self, live: Live | None = None) -> Call:
        """UpdateDatabase replaces everything, so what others have put there is sent along."""
        known = live.notes.get("input", {}) if live else {}
        wanted = {**known, "Name": self.name, "Parameters": {**known.get("Parameters", {}), **self.tags}}
        return self.call("UpdateDatabase", DatabaseInput=wanted)

    @property
    def allowed_on(self) -> tuple[str, ...]:
        """Glue asks for the right to each level down to the one it is about. A deleted database takes all in it along.

        https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html
        """
        levels = ("catalog", f"database/{self.name}", f"table/{self.name}/*", f"userDefinedFunction/{self.name}/*")
        return tuple(self.names.arn("glue", level) for level in levels)

    def properties(self) -> Mapping[str, Any]:
        """The database."""
        return {"CatalogId": _CATALOG, "DatabaseInput": {"Name": self.name, "Parameters": self.tags}}


@dataclass(frozen=True)
class Table(Resource):
    """An external table; Glue has no tags for tables, so it belongs to whom its database does."""

    database: Database
    definition: TableDefinition
    kind = "table"
    service = "glue"
    tagged = ""
    allowed = (("Catalogue", "CreateTable DeleteTable GetTable UpdateTable"),)
    cloudformation = "AWS::Glue::Table"
    not_there = _NOT_THERE
    unavailable = NO_ATHENA

    @property
    def names(self) -> Names:
        """Those of the database."""
        return self.database.names

    @property
    def name(self) -> str:
        """As SQL says it: database, point, table."""
        return f"{self.database.name}.{self.definition.name}"

    @property
    def arn(self) -> str:
        """Database and table."""
        return self.names.arn("glue", f"table/{self.database.name}/{self.definition.name}")

    @property
    def part_of(self) -> Resource:
        """Its database."""
        return self.database

    def attributes(self) -> Attributes:
        """Columns, partition keys, where the objects are and how they are read."""
        parameters = self.definition.parameters
        return {
            "Columns": list(self.definition.columns),
            "PartitionKeys": list(self.definition.partition_keys),
            "Parameters": {key: value for key, value in parameters.items() if not _SET_BY_COMPACTION.fullmatch(key)},
            **self.definition.storage,
        }

    def look(self, aws: Aws) -> Live:
        """GetTable."""
        found = aws.glue.get_table(DatabaseName=self.database.name, Name=self.definition.name)["Table"]
        storage: Mapping[str, Any] = found.get("StorageDescriptor", {})
        parameters = found.get("Parameters", {})
        serde: Mapping[str, Any] = storage.get("SerdeInfo", {})
        wanted = self.attributes()
        attributes = {
            "Columns": _columns(storage.get("Columns", [])),
            "PartitionKeys": _columns(found.get("PartitionKeys", [])),
            "Parameters": _known(parameters, wanted["Parameters"]),
            "Location": storage.get("Location"),
            "InputFormat": storage.get("InputFormat"),
            "OutputFormat": storage.get("OutputFormat"),
            "SerdeInfo": {
                "SerializationLibrary": serde.get("SerializationLibrary"),
                "Parameters": _known(serde.get("Parameters", {}), wanted["SerdeInfo"]["Parameters"]),
            },
        }
        return Live(self.arn, "available", attributes, notes={"parameters": parameters})

    def create(self) -> Iterable[Step]:
        """CreateTable."""
        yield self._put("CreateTable", self.definition.parameters, "AlreadyExistsException")

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """UpdateTable replaces everything, so what compaction and others have put there is sent along."""
        live_ones = live.notes.get("parameters", {})
        yield self._put("UpdateTable", {**self.definition.parameters, **live_ones, **self.attributes()["Parameters"]})

    def _put(self, operation: str, parameters: Mapping[str, str], *raced: str) -> Step:
        table = self._input(parameters)
        raced += _NOT_THERE
        return self.call(operation, named=False, DatabaseName=self.database.name, TableInput=table, raced=raced)

    def _input(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        return {
            "Name": self.definition.name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": dict(parameters),
            "PartitionKeys": list(self.definition.partition_keys),
            "StorageDescriptor": {"Columns": list(self.definition.columns), **self.definition.storage},
        }

    def delete(self, live: Live) -> Iterable[Step]:  # noqa: ARG002
        """DeleteTable, because DeleteDatabase may leave tables to be removed at some time."""
        database, table = self.database.name, self.definition.name
        yield self.call("DeleteTable", named=False, DatabaseName=database, Name=table, accepted=_NOT_THERE)

    @property
    def allowed_on(self) -> tuple[str, ...]:
        """Its database."""
        return self.database.allowed_on

    def properties(self) -> Mapping[str, Any]:
        """The table in its database."""
        table = self._input(self.definition.parameters)
        return {"CatalogId": _CATALOG, "DatabaseName": self.database.name, "TableInput": table}


def _columns(found: Any) -> list[Column]:
    return [{"Name": column["Name"], "Type": column["Type"]} for column in found]


def _known(live: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The live values of what is declared; Athena and others add parameters of their own."""
    return {key: live[key] for key in wanted if key in live}
