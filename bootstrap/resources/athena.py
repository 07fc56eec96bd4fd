"""Amazon Athena: the workgroup, and in AWS Glue's catalogue the database and its tables.

An endpoint that hasn't got Athena or Glue says so itself, and then these are skipped: `stockpipe query` runs offline.
The tables are those of the pipeline's `sql/`. Only their names and shapes are here: records stay in the bucket.

https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfiguration.html
https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.model import Attributes, Call, Declared, Live, Step, Unavailable
from bootstrap.resources.errors import unless
from bootstrap.resources.tags import ENVIRONMENT_TAG
from bootstrap.table_definitions import Column, TableDefinition
from profiles.availability import is_missing_service
from profiles.session import Aws

WORKGROUP = "workgroup"
DATABASE = "database"
TABLE = "table"

RESULTS_PREFIX = "athena-results/"
NO_ATHENA = "this endpoint has no Athena, so `stockpipe query` runs offline"

# Athena's only code for "is not found", "is already created" and whatever else it doesn't like.
INVALID_REQUEST = "InvalidRequestException"
NOT_THERE = ("EntityNotFoundException",)

# What the table of compacted records spans: `stockpipe compact` widens it, and `up` leaves that alone.
_SET_BY_COMPACTION = re.compile(r"projection\.\w+\.(range|values)")


@dataclass(frozen=True)
class WorkGroup(Declared):
    """A workgroup whose settings no client can override. `configuration` as CreateWorkGroup names it."""

    name: str
    arn: str
    configuration: Mapping[str, Any]
    tags: Mapping[str, str]
    after: tuple[str, ...]
    kind = WORKGROUP

    def declared(self) -> Attributes:
        """The configuration, the state and the tags."""
        return {**self.configuration, "State": "ENABLED", "Tags": dict(self.tags)}

    def read(self, aws: Aws) -> Live | Unavailable | None:
        """GetWorkGroup, ListTagsForResource."""
        return _where_available(lambda: unless((INVALID_REQUEST,), lambda: self._read(aws)))

    def _read(self, aws: Aws) -> Live:
        found = aws.athena.get_work_group(WorkGroup=self.name)["WorkGroup"]
        live: Mapping[str, Any] = found.get("Configuration", {})
        tags = aws.athena.list_tags_for_resource(ResourceARN=self.arn)["Tags"]
        owner = next((tag["Value"] for tag in tags if tag["Key"] == ENVIRONMENT_TAG), None)
        state = found.get("State", "")
        attributes = {
            **{key: live.get(key) for key in self.configuration},
            "State": state,
            "Tags": {ENVIRONMENT_TAG: owner} if owner else {},
        }
        return Live(self.arn, state, attributes, owner)

    def create(self) -> tuple[Step, ...]:
        """CreateWorkGroup with its tag."""
        parameters = {"Name": self.name, "Configuration": dict(self.configuration), "Tags": self._tag_list()}
        return (Call("athena", "CreateWorkGroup", parameters, raced=(INVALID_REQUEST,), raced_text="already"),)

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """UpdateWorkGroup with all settings, TagResource."""
        steps: list[Step] = []
        if changed - {"Tags"}:
            updates = {
                f"{key}Updates" if key == "ResultConfiguration" else key: value
                for key, value in self.configuration.items()
            }
            parameters = {"WorkGroup": self.name, "State": "ENABLED", "ConfigurationUpdates": updates}
            steps.append(Call("athena", "UpdateWorkGroup", parameters))
        if "Tags" in changed:
            steps.append(Call("athena", "TagResource", {"ResourceARN": self.arn, "Tags": self._tag_list()}))
        return tuple(steps)

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """DeleteWorkGroup, with its query history."""
        parameters = {"WorkGroup": self.name, "RecursiveDeleteOption": True}
        return (Call("athena", "DeleteWorkGroup", parameters, accepted=(INVALID_REQUEST,)),)

    def _tag_list(self) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in self.tags.items()]


@dataclass(frozen=True)
class Database(Declared):
    """A database. Its mark is a parameter rather than a tag, because CloudFormation can't tag databases."""

    name: str
    arn: str
    tags: Mapping[str, str]
    kind = DATABASE
    after = ()

    def declared(self) -> Attributes:
        """The mark."""
        return {"Parameters": dict(self.tags)}

    def read(self, aws: Aws) -> Live | Unavailable | None:
        """GetDatabase."""
        return _where_available(lambda: unless(NOT_THERE, lambda: self._read(aws)))

    def _read(self, aws: Aws) -> Live:
        found: Mapping[str, Any] = aws.glue.get_database(Name=self.name)["Database"]
        parameters = found.get("Parameters", {})
        owner = parameters.get(ENVIRONMENT_TAG)
        others = {key: found[key] for key in ("Description", "LocationUri") if found.get(key)}
        notes = {"input": {**others, "Parameters": parameters}}
        return Live(
            self.arn, "available", {"Parameters": {ENVIRONMENT_TAG: owner} if owner else {}}, owner, notes=notes
        )

    def create(self) -> tuple[Step, ...]:
        """CreateDatabase."""
        made = {"Name": self.name, "Parameters": dict(self.tags)}
        return (Call("glue", "CreateDatabase", {"DatabaseInput": made}, raced=("AlreadyExistsException",)),)

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """UpdateDatabase replaces everything, so what others have put there is sent along."""
        known = live.notes.get("input", {})
        wanted = {**known, "Name": self.name, "Parameters": {**known.get("Parameters", {}), **self.tags}}
        return (Call("glue", "UpdateDatabase", {"Name": self.name, "DatabaseInput": wanted}, raced=NOT_THERE),)

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """DeleteDatabase, with tables that others have made in it."""
        return (Call("glue", "DeleteDatabase", {"Name": self.name}, accepted=NOT_THERE),)


@dataclass(frozen=True)
class Table(Declared):
    """An external table; Glue has no tags for tables, so it belongs to whom its database does."""

    database: str
    arn: str
    definition: TableDefinition
    kind = TABLE

    @property
    def name(self) -> str:
        """As SQL says it: database, point, table."""
        return f"{self.database}.{self.definition.name}"

    @property
    def after(self) -> tuple[str, ...]:
        """Its database."""
        return (f"{DATABASE} {self.database}",)

    @property
    def part_of(self) -> str | None:
        """Its database."""
        return f"{DATABASE} {self.database}"

    def declared(self) -> Attributes:
        """Columns, partition keys, where the objects are and how they are read."""
        parameters = self.definition.parameters
        return {
            "Columns": list(self.definition.columns),
            "PartitionKeys": list(self.definition.partition_keys),
            "Parameters": {key: value for key, value in parameters.items() if not _SET_BY_COMPACTION.fullmatch(key)},
            **self.definition.storage,
        }

    def read(self, aws: Aws) -> Live | Unavailable | None:
        """GetTable."""
        return _where_available(lambda: unless(NOT_THERE, lambda: self._read(aws)))

    def _read(self, aws: Aws) -> Live:
        found = aws.glue.get_table(DatabaseName=self.database, Name=self.definition.name)["Table"]
        storage: Mapping[str, Any] = found.get("StorageDescriptor", {})
        parameters = found.get("Parameters", {})
        serde: Mapping[str, Any] = storage.get("SerdeInfo", {})
        wanted = self.declared()
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

    def table_input(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Glue's TableInput, with these parameters."""
        return {
            "Name": self.definition.name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": dict(parameters),
            "PartitionKeys": list(self.definition.partition_keys),
            "StorageDescriptor": {"Columns": list(self.definition.columns), **self.definition.storage},
        }

    def create(self) -> tuple[Step, ...]:
        """CreateTable."""
        parameters = {"DatabaseName": self.database, "TableInput": self.table_input(self.definition.parameters)}
        return (Call("glue", "CreateTable", parameters, raced=("AlreadyExistsException", *NOT_THERE)),)

    def update(self, live: Live, changed: frozenset[str]) -> tuple[Step, ...]:  # noqa: ARG002
        """UpdateTable replaces everything, so what compaction and others have put there is sent along."""
        merged = {**self.definition.parameters, **live.notes.get("parameters", {}), **self.declared()["Parameters"]}
        parameters = {"DatabaseName": self.database, "TableInput": self.table_input(merged)}
        return (Call("glue", "UpdateTable", parameters, raced=NOT_THERE),)

    def delete(self, live: Live) -> tuple[Step, ...]:  # noqa: ARG002
        """DeleteTable, because DeleteDatabase may leave tables to be removed at some time."""
        parameters = {"DatabaseName": self.database, "Name": self.definition.name}
        return (Call("glue", "DeleteTable", parameters, accepted=NOT_THERE),)


def _where_available(read: Callable[[], Live | None]) -> Live | Unavailable | None:
    try:
        return read()
    except ClientError as error:
        if is_missing_service(error):
            return Unavailable(NO_ATHENA)
        raise


def _columns(found: Any) -> list[Column]:
    return [{"Name": column["Name"], "Type": column["Type"]} for column in found]


def _known(live: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The live values of what is declared; Athena and others add parameters of their own."""
    return {key: live[key] for key in wanted if key in live}
