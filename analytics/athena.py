"""Runs SQL on Amazon Athena.

It uses boto3 and not PyAthena, whose cursors hide the progress (scanned bytes) and the workgroup's result location, and
which makes clients of its own: `profiles` guarantees which credentials go to which endpoint.

A query's states are QUEUED → RUNNING → SUCCEEDED, FAILED or CANCELLED; DDL are queries too. Throttling
(`ThrottlingException`, `TooManyRequestsException`) is retried by botocore, a FAILED query here, if Athena
says that it is retryable. https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatus.html
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from analytics.result import Column, HistoryError, Progress, Result
from profiles.environment import Environment
from profiles.session import NOT_AWS, Aws

Sleep = Callable[[float], None]

FIRST_POLL_SECONDS = 0.1
LONGEST_POLL_SECONDS = 2.0
ATTEMPTS = 3

_NUMBERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), int),
    **dict.fromkeys(("double", "float", "real"), float),
    "decimal": Decimal,
    "boolean": lambda text: text.lower() == "true",
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}


def check_workgroup(environment: Environment) -> None:
    """Ask Athena for the workgroup. Raises `ClientError`, or `HistoryError` where only the workgroup is missing."""
    try:
        environment.aws.athena.get_work_group(WorkGroup=environment.names.workgroup)
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidRequestException":
            raise HistoryError(
                f"Athena has no workgroup {environment.names.workgroup} ({error.response['Error']['Message']}). "
                "Make it with: stockpipe up. Or query without Athena: --engine duckdb"
            ) from error
        raise


def run(
    environment: Environment, sql: str, *, progress: Progress = lambda _: None, sleep: Sleep = time.sleep
) -> Result:
    """Run one statement and fetch its rows. Ctrl-C stops the query on Athena. Raises `HistoryError`."""
    for attempt in range(1, ATTEMPTS + 1):
        execution = _run_once(environment, sql, progress, sleep)
        status = execution["Status"]
        if status["State"] == "SUCCEEDED":
            return _result(environment.aws, execution)
        if not status.get("AthenaError", {}).get("Retryable") or attempt == ATTEMPTS:
            break
        progress(f"Athena: {status.get('StateChangeReason', status['State'])}; trying again")
        sleep(2.0**attempt)
    query_id = execution["QueryExecutionId"]
    reason = status.get("StateChangeReason") or status.get("AthenaError", {}).get("ErrorMessage") or "no reason given"
    raise HistoryError(f"{' '.join(reason.split())} (Athena query {query_id}, {status['State']})")


def _run_once(environment: Environment, sql: str, progress: Progress, sleep: Sleep) -> Any:
    try:
        query_id = environment.aws.athena.start_query_execution(
            QueryString=sql,
            WorkGroup=environment.names.workgroup,
            QueryExecutionContext={"Database": environment.names.database},
        )["QueryExecutionId"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidRequestException":
            raise HistoryError(f"Athena refuses the query: {error.response['Error']['Message']}") from error
        raise
    wait = FIRST_POLL_SECONDS
    try:
        while True:
            execution = environment.aws.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            state = execution["Status"]["State"]
            if state not in {"QUEUED", "RUNNING"}:
                return execution
            scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
            progress(f"Athena: {state.lower()}, {scanned:,} bytes scanned")
            sleep(wait)
            wait = min(wait * 1.5, LONGEST_POLL_SECONDS)
    except BaseException:  # Ctrl-C, or an error while polling: a query that is not waited for should not cost more
        with suppress(*NOT_AWS):  # the first error says more
            environment.aws.athena.stop_query_execution(QueryExecutionId=query_id)
        raise


def _result(aws: Aws, execution: Any) -> Result:
    statistics = execution.get("Statistics", {})
    query_id = execution["QueryExecutionId"]
    columns, rows = _rows(aws, query_id, has_header=execution.get("StatementType", "DML") == "DML")
    return Result(
        columns=columns,
        rows=rows,
        engine="athena",
        scanned_bytes=statistics.get("DataScannedInBytes", 0),
        seconds=statistics.get("TotalExecutionTimeInMillis", 0) / 1000,
        query_id=query_id,
    )


def _rows(aws: Aws, query_id: str, *, has_header: bool) -> tuple[tuple[Column, ...], tuple[tuple[Any, ...], ...]]:
    """The first row of a query's first page repeats the column names; statements like SHOW TABLES have no such row."""
    columns: tuple[Column, ...] = ()
    rows: list[tuple[Any, ...]] = []
    for page in aws.athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id):
        found = page["ResultSet"]
        if not columns:
            described = found.get("ResultSetMetadata", {}).get("ColumnInfo", [])
            columns = tuple(Column(info["Name"], info["Type"].lower()) for info in described)
        for row in found["Rows"][1 if has_header else 0 :]:
            texts = [datum.get("VarCharValue") for datum in row["Data"]]
            rows.append(tuple(_value(text, column.type) for text, column in zip(texts, columns, strict=True)))
        has_header = False
    return columns, tuple(rows)


def _value(text: str | None, kind: str) -> Any:
    """A value's text by its column's type; types that have no counterpart (arrays, rows, maps) stay text."""
    if text is None:
        return None
    if kind == "timestamp with time zone":
        return datetime.fromisoformat(text.removesuffix(" UTC")).replace(tzinfo=UTC) if text.endswith(" UTC") else text
    return _NUMBERS.get(kind, str)(text)
