"""Glue's tables and the offline engine's are read from the same DDL: they agree."""

import pytest

from analytics import statements
from bootstrap.table_definitions import TableDefinition, table_definitions
from profiles.names import Names

NAMES = Names("123456789012", "alice")
DEFINITIONS = {one.name: one for one in table_definitions(NAMES)}
DUCKDB_TYPES = {"string": "TEXT", "double": "DOUBLE", "int": "INT", "bigint": "BIGINT", "boolean": "BOOLEAN"}


@pytest.mark.parametrize("name", statements.TABLES)
def test_columns_partitions_and_location_are_those_of_the_offline_engine(name: str) -> None:
    offline, glue = statements.table_of(NAMES, name), DEFINITIONS[name]

    columns = [(column["Name"], DUCKDB_TYPES[column["Type"]]) for column in (*glue.columns, *glue.partition_keys)]
    assert columns == list(offline.columns)
    assert tuple(key["Name"] for key in glue.partition_keys) == offline.partitions
    assert glue.storage["Location"] == f"s3://{offline.bucket}/{offline.prefix}"


def test_records_is_the_table_of_the_design() -> None:
    assert DEFINITIONS["records"] == TableDefinition(
        name="records",
        columns=(
            {"Name": "symbol", "Type": "string"},
            {"Name": "price", "Type": "double"},
            {"Name": "volume", "Type": "int"},
            {"Name": "processed_at", "Type": "string"},
        ),
        partition_keys=(),
        storage={
            "Location": "s3://alice-stock-data-123456789012-us-east-2/processed/",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                "Parameters": {"ignore.malformed.json": "true"},
            },
        },
        parameters={"EXTERNAL": "TRUE"},
    )


def test_ticks_has_its_partitions_projected_and_its_parquet_read() -> None:
    ticks = DEFINITIONS["ticks"]

    assert ticks.parameters["projection.enabled"] == "true"
    assert {name for name in ticks.parameters if name.startswith("projection.")} == {
        "projection.enabled",
        *(f"projection.day.{setting}" for setting in ("type", "format", "range")),
        *(f"projection.symbol.{setting}" for setting in ("type", "values")),
    }
    assert ticks.storage["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
