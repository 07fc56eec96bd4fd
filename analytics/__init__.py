"""How is history queried? The same SQL, in Athena's dialect, on Athena and offline.

`run_query` is the way in for other rooms. The modules, from the outside in::

    cli            commands `query` and `compact`
    history        which engine? run_query
    statements     the named queries of the pipeline     tables   its tables
    render         a result as a table, CSV, JSON, Parquet     chart   in the terminal
    athena         runs SQL on Athena          offline     runs SQL on DuckDB over the same objects
                                               dialect       Athena's SQL → DuckDB's, and back for error positions
                                               store         objects → local columns, cached by ETag
                                               serde         JSON lines → rows, as the OpenX SerDe reads them
                                               limits       time and memory of a query
                                               scratch      private folders for what a query spills
    compaction     many JSON objects → one Parquet file per day and group (compact_athena, compact_offline)
"""

from analytics.history import run_query
from analytics.result import Column, HistoryError, Result

__all__ = ["Column", "HistoryError", "Result", "run_query"]
