"""What the catalogue holds is read from the DDL of the pipeline's folder."""

from bootstrap.table_definitions import TableDefinition, table_definitions
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
