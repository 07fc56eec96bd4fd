"""What the catalogue holds is read from the DDL of the pipeline's folder."""

from pathlib import Path

import pytest

from bootstrap.table_definitions import TableDefinition, table_definitions
from profiles.errors import CannotRunError
from tests.support.environments import STOCKS, stock_names

NAMES = stock_names("123456789012", "alice")
DEFINITIONS = {one.name: one for one in table_definitions(STOCKS.sql, STOCKS.contract, NAMES)}


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


def test_the_columns_are_those_of_the_contracts_field_table() -> None:
    stored = dict(STOCKS.contract.columns())
    details, ticks = DEFINITIONS["record_details"], DEFINITIONS["ticks"]

    assert dict(details.all_columns) == stored
    assert details.columns[: len(DEFINITIONS["records"].columns)] == DEFINITIONS["records"].columns
    assert dict(ticks.all_columns) == {**{n: t for n, t in stored.items() if n != "timestamp"}, "day": "string"}
    assert ticks.partitions == ("day", "symbol")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "not SQL at all (",
        "CREATE EXTERNAL TABLE t (${no_such_field}) STORED AS PARQUET LOCATION 's3://b/p/'",
        "CREATE EXTERNAL TABLE t (${price}) STORED AS PARQUET",
        "CREATE EXTERNAL TABLE t (${price}) LOCATION 's3://b/p/'",
    ],
)
def test_a_file_that_defines_no_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "create_t.sql").write_text(text, encoding="utf-8")
    with pytest.raises(CannotRunError, match=r"create_t\.sql doesn't define a table: ") as refused:
        table_definitions(tmp_path, STOCKS.contract, NAMES)
    assert "\n" not in str(refused.value)
