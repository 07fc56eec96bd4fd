"""The tables of a pipeline: the DDL in its `sql/create_*.sql`, with columns from its contract's field table.

The DDL is the one definition: here it becomes what AWS Glue's catalogue holds, and what the offline engine needs.
Athena's DDL makes the same entries in the catalogue; Glue's own calls do it without a query, and at once.
https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html

Placeholders are `${name}`: `${database}`, `${bucket}`, `${prefix}` (the folder of stored records), a stored field (its
name and type), and `${other_columns}` (all stored fields that the file doesn't name). A header line
`-- Without: timestamp` leaves fields out of the others.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

import sqlglot
from sqlglot import exp

from profiles.errors import CannotRunError
from profiles.names import Names
from runtime.contract import Contract

Column = dict[str, str]

_WITHOUT = re.compile(r"^-- Without: (.+)$", re.MULTILINE)
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


@dataclass(frozen=True)
class TableDefinition:
    """One external table. Columns are `{"Name", "Type"}`, `storage` is Glue's StorageDescriptor without them."""

    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...]
    storage: dict[str, Any]
    parameters: dict[str, str]

    @property
    def all_columns(self) -> tuple[tuple[str, str], ...]:
        """(lower-case name, Athena's type) in order, partition columns last."""
        return tuple((column["Name"], column["Type"]) for column in (*self.columns, *self.partition_keys))

    @property
    def partitions(self) -> tuple[str, ...]:
        """The names of the partition columns."""
        return tuple(column["Name"] for column in self.partition_keys)

    @property
    def bucket(self) -> str:
        """The bucket of its objects."""
        return self._location[0]

    @property
    def prefix(self) -> str:
        """The folder of its objects, for example `processed/`."""
        return self._location[1]

    @property
    def is_parquet(self) -> bool:
        """Whether its objects are Parquet files; else they are lines of JSON."""
        return str(self.storage["InputFormat"]).startswith(_PARQUET)

    @property
    def ignore_malformed(self) -> bool:
        """Whether malformed lines of JSON are rows of NULLs."""
        settings: dict[str, str] = self.storage["SerdeInfo"]["Parameters"]
        return settings.get("ignore.malformed.json", "false").lower() == "true"

    @property
    def _location(self) -> tuple[str, str]:
        bucket, _, prefix = str(self.storage["Location"]).removeprefix("s3://").partition("/")
        return bucket, prefix


@cache
def table_definitions(sql: Path, contract: Contract[Any], names: Names) -> tuple[TableDefinition, ...]:
    """Every table of an environment: those of JSON before the partitioned ones, and narrow ones first.

    `sql` is the pipeline's folder of SQL files. Raises `CannotRunError` if one of them doesn't define a table.
    """
    files = (file for file in sql.glob("create_*.sql") if file.stem != "create_database")
    found = (_definition(file, contract, names) for file in files)
    return tuple(sorted(found, key=lambda table: (bool(table.partition_keys), len(table.columns), table.name)))


def _definition(file: Path, contract: Contract[Any], names: Names) -> TableDefinition:
    try:
        return _parsed(_filled_in(file.read_text(encoding="utf-8"), contract, names))
    except (OSError, KeyError, ValueError, AttributeError, sqlglot.errors.SqlglotError) as error:
        raise CannotRunError(f"{file} doesn't define a table: {' '.join(str(error).split())}") from error


def _filled_in(text: str, contract: Contract[Any], names: Names) -> str:
    template = Template(text)
    of_environment = {"database": names.database, "bucket": names.bucket, "prefix": contract.prefix}
    columns = {name: f"`{name}` {sql_type}" for name, sql_type in contract.columns()}
    named = set(template.get_identifiers()) - set(of_environment)
    left_out = {name for line in _WITHOUT.findall(text) for name in line.split(", ")}
    others = ",\n  ".join(column for name, column in columns.items() if name not in named | left_out)
    return template.substitute(columns, other_columns=others, **of_environment)


def _parsed(text: str) -> TableDefinition:
    ddl = sqlglot.parse_one(text, read="athena")
    location = ddl.find(exp.LocationProperty)
    if location is None:
        raise ValueError("it has no LOCATION")
    partitioned = ddl.find(exp.PartitionedByProperty)
    properties = [found for found in ddl.find_all(exp.Property) if type(found) is exp.Property]
    serde = ddl.find(exp.SerdeProperties)
    serde_settings = _texts(serde.expressions) if serde else {}
    own = _texts([one for one in properties if one.this.name not in serde_settings])
    return TableDefinition(
        name=ddl.this.this.name.lower(),
        columns=_columns(ddl.this),
        partition_keys=_columns(partitioned.this) if partitioned else (),
        storage={"Location": location.name, **_format(ddl, serde_settings)},
        parameters={"EXTERNAL": "TRUE", **own},
    )


def _format(ddl: exp.Expr, serde_settings: dict[str, str]) -> dict[str, Any]:
    """What Athena puts into the catalogue for STORED AS PARQUET, and for a SerDe over text."""
    if ddl.find(exp.FileFormatProperty):
        library = f"{_PARQUET}.serde.ParquetHiveSerDe"
        formats = f"{_PARQUET}.MapredParquetInputFormat", f"{_PARQUET}.MapredParquetOutputFormat"
    else:
        row_format = ddl.find(exp.RowFormatSerdeProperty)
        if row_format is None:
            raise ValueError("a table is Parquet or has a SerDe")
        library = row_format.name
        formats = (
            "org.apache.hadoop.mapred.TextInputFormat",
            "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        )
    return {
        "InputFormat": formats[0],
        "OutputFormat": formats[1],
        "SerdeInfo": {"SerializationLibrary": library, "Parameters": serde_settings},
    }


def _columns(schema: exp.Expr) -> tuple[Column, ...]:
    return tuple(
        {"Name": column.name.lower(), "Type": column.args["kind"].sql(dialect="hive").lower()}
        for column in schema.expressions
    )


def _texts(properties: list[exp.Expr]) -> dict[str, str]:
    return {found.this.name: found.args["value"].name for found in properties}
