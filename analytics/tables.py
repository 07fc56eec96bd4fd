"""The tables of a pipeline: its files `sql/create_*.sql`."""

from bootstrap.table_definitions import TableDefinition, table_definitions
from profiles.environment import Environment


def tables(environment: Environment) -> dict[str, TableDefinition]:
    """The tables by name; the first one is the plainest."""
    found = table_definitions(environment.pipeline.sql, environment.contract, environment.names)
    return {table.name: table for table in found}


def details_table(environment: Environment) -> TableDefinition:
    """The table with every field of the stored records: the widest one of JSON objects."""
    return max((one for one in tables(environment).values() if not one.is_parquet), key=lambda one: len(one.columns))


def compacted_table(environment: Environment) -> TableDefinition | None:
    """The table that compaction fills, the one of Parquet files; None if the pipeline has none."""
    return next((table for table in tables(environment).values() if table.is_parquet), None)
