"""The tables of `pipeline/sql/create_*.sql` as AWS Glue describes them: the DDL stays the one definition.

Athena's DDL makes the same entries in Glue's catalogue; Glue's own calls do it without a query, and at once.
https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import sqlglot
from sqlglot import exp

from profiles.names import Names

# Table → its definition's file.
TABLES = {
    "records": "create_table.sql",
    "record_details": "create_record_details.sql",
    "ticks": "create_ticks.sql",
}

Column = dict[str, str]
_FOLDER = files("pipeline").joinpath("sql")
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


@dataclass(frozen=True)
class TableDefinition:
    """One external table. Columns are `{"Name", "Type"}`, `storage` is Glue's StorageDescriptor without them."""

    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...]
    storage: dict[str, Any]
    parameters: dict[str, str]


def table_definitions(names: Names) -> tuple[TableDefinition, ...]:
    """Every table of an environment."""
    return tuple(_definition(name, file, names.database, names.bucket) for name, file in TABLES.items())


@cache
def _definition(name: str, file: str, database: str, bucket: str) -> TableDefinition:
    text = Template(_FOLDER.joinpath(file).read_text(encoding="utf-8")).substitute(database=database, bucket=bucket)
    ddl = sqlglot.parse_one(text, read="athena")
    location = ddl.find(exp.LocationProperty)
    if location is None:
        raise ValueError(f"{file} has no LOCATION")
    partitioned = ddl.find(exp.PartitionedByProperty)
    properties = [found for found in ddl.find_all(exp.Property) if type(found) is exp.Property]
    serde = ddl.find(exp.SerdeProperties)
    serde_settings = _texts(serde.expressions) if serde else {}
    own = _texts([one for one in properties if one.this.name not in serde_settings])
    return TableDefinition(
        name=name,
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
