"""Athena's states, failures and throttling, injected with botocore's Stubber: no emulator shows them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from analytics import HistoryError, athena, history
from profiles.session import Aws, open_endpoint
from tests.support.environments import at, stock_names

NAMES = stock_names("000000000000")
SQL = "SELECT symbol FROM records"
STARTED = {"QueryString": SQL, "WorkGroup": "stock", "QueryExecutionContext": {"Database": "stock_data"}}


@pytest.fixture
def aws() -> Aws:
    return open_endpoint("http://127.0.0.1:1")


@pytest.fixture
def stub(aws: Aws) -> Iterator[Stubber]:
    with Stubber(aws.athena) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def execution(state: str, **more: Any) -> dict[str, Any]:
    status = {"State": state, **{name: value for name, value in more.items() if name != "scanned"}}
    statistics = {"DataScannedInBytes": more.get("scanned", 0), "TotalExecutionTimeInMillis": 1500}
    return {
        "QueryExecution": {
            "QueryExecutionId": "q-1",
            "StatementType": "DML",
            "Status": status,
            "Statistics": statistics,
        }
    }


def start(stub: Stubber) -> None:
    stub.add_response("start_query_execution", {"QueryExecutionId": "q-1"}, STARTED)


def results(*rows: list[str | None], columns: list[tuple[str, str]], more: str = "") -> dict[str, Any]:
    page: dict[str, Any] = {
        "ResultSet": {
            "Rows": [{"Data": [{} if text is None else {"VarCharValue": text} for text in row]} for row in rows],
            "ResultSetMetadata": {"ColumnInfo": [{"Name": name, "Type": kind} for name, kind in columns]},
        }
    }
    return page | ({"NextToken": more} if more else {})


def run(aws: Aws, said: list[str] | None = None, slept: list[float] | None = None) -> Any:
    said, slept = [] if said is None else said, [] if slept is None else slept
    return athena.run(at(aws, NAMES), SQL, progress=said.append, sleep=slept.append)


def test_queued_running_succeeded_with_progress_types_and_cost(aws: Aws, stub: Stubber) -> None:
    start(stub)
    for answer in (execution("QUEUED"), execution("RUNNING", scanned=5_000_000), execution("SUCCEEDED", scanned=10**9)):
        stub.add_response("get_query_execution", answer)
    columns = [("symbol", "varchar"), ("average", "double"), ("n", "bigint"), ("alert", "boolean"), ("at", "timestamp")]
    zoned = [*columns[:4], ("at", "timestamp with time zone")]
    header: list[str | None] = [name for name, _ in columns]
    stub.add_response(
        "get_query_results",
        results(header, ["A", "1.5", "7", "true", "2026-01-05 14:30:00.250 UTC"], columns=zoned, more="next"),
    )
    stub.add_response("get_query_results", results(["symbol", None, None, None, None], columns=zoned))

    said: list[str] = []
    slept: list[float] = []
    result = run(aws, said, slept)

    assert result.rows == (
        ("A", 1.5, 7, True, datetime(2026, 1, 5, 14, 30, 0, 250_000, UTC)),
        ("symbol", None, None, None, None),
    )
    assert said == ["Athena: queued, 0 bytes scanned", "Athena: running, 5,000,000 bytes scanned"]
    assert slept == sorted(slept)
    assert (result.scanned_bytes, result.seconds, result.query_id) == (10**9, 1.5, "q-1")
    assert result.cost_dollars == pytest.approx(0.005)


def test_a_failed_query_gives_athenas_reason_with_its_position(aws: Aws, stub: Stubber) -> None:
    reason = "COLUMN_NOT_FOUND: line 1:8: Column 'prise' cannot be resolved"
    start(stub)
    stub.add_response("get_query_execution", execution("FAILED", StateChangeReason=reason))
    with pytest.raises(HistoryError, match=r"line 1:8: Column 'prise' cannot be resolved \(Athena query q-1, FAILED\)"):
        run(aws)


def test_a_failure_that_athena_calls_retryable_is_retried(aws: Aws, stub: Stubber) -> None:
    start(stub)
    failed = execution("FAILED", StateChangeReason="Query exhausted resources", AthenaError={"Retryable": True})
    stub.add_response("get_query_execution", failed)
    start(stub)
    stub.add_response("get_query_execution", execution("SUCCEEDED"))
    stub.add_response("get_query_results", results(["symbol"], ["A"], columns=[("symbol", "varchar")]))
    slept: list[float] = []
    assert run(aws, slept=slept).rows == (("A",),)
    assert slept == [2.0]


def test_it_gives_up_after_the_third_retryable_failure(aws: Aws, stub: Stubber) -> None:
    for _ in range(athena.ATTEMPTS):
        start(stub)
        failed = execution("FAILED", StateChangeReason="Query exhausted resources", AthenaError={"Retryable": True})
        stub.add_response("get_query_execution", failed)
    with pytest.raises(HistoryError, match="Query exhausted resources"):
        run(aws)


def test_a_cancelled_query_says_so(aws: Aws, stub: Stubber) -> None:
    start(stub)
    stub.add_response("get_query_execution", execution("CANCELLED", StateChangeReason="Bytes scanned limit exceeded"))
    with pytest.raises(HistoryError, match=r"Bytes scanned limit exceeded .*CANCELLED"):
        run(aws)


def test_a_refused_query_gives_athenas_message(aws: Aws, stub: Stubber) -> None:
    stub.add_client_error("start_query_execution", "InvalidRequestException", "Queries of this type are not supported")
    with pytest.raises(HistoryError, match="Queries of this type are not supported"):
        run(aws)


def test_ctrl_c_stops_the_query_on_athena(aws: Aws, stub: Stubber) -> None:
    start(stub)
    stub.add_response("get_query_execution", execution("RUNNING"))
    stub.add_response("stop_query_execution", {}, {"QueryExecutionId": "q-1"})

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        athena.run(at(aws, NAMES), SQL, sleep=interrupted)


def test_a_query_that_can_not_be_stopped_does_not_hide_what_happened(aws: Aws, stub: Stubber) -> None:
    # given a query that may not be looked at, nor stopped
    start(stub)
    stub.add_client_error("get_query_execution", "AccessDeniedException", "not yours to see", 400)
    stub.add_client_error("stop_query_execution", "AccessDeniedException", "not yours to stop", 400)

    # when it runs, then the first of the two refusals is what the user gets
    with pytest.raises(ClientError, match="not yours to see"):
        run(aws)


def test_ctrl_c_is_ctrl_c_though_the_query_can_not_be_stopped(aws: Aws, stub: Stubber) -> None:
    start(stub)
    stub.add_response("get_query_execution", execution("RUNNING"))
    stub.add_client_error("stop_query_execution", "InvalidRequestException", "it has ended", 400)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        athena.run(at(aws, NAMES), SQL, sleep=interrupted)


@pytest.mark.parametrize("code", ["ThrottlingException", "TooManyRequestsException"])
def test_throttling_is_retried_by_botocore(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    aws = open_endpoint("http://127.0.0.1:1")
    calls: list[str] = []

    class Body:
        def __init__(self, text: str) -> None:
            self.text = text.encode()

        def read(self, *_: Any) -> bytes:
            return self.text

        def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
            yield self.text

    def answer(request: Any, **_: Any) -> Any:
        calls.append(request.headers["X-Amz-Target"])
        if len(calls) < 3:
            return AWSResponse(
                request.url, 400, HTTPHeaders(), Body(f'{{"__type":"{code}","message":"Rate exceeded"}}')
            )
        return AWSResponse(request.url, 200, HTTPHeaders(), Body('{"WorkGroup":{"Name":"stock"}}'))

    aws.athena.meta.events.register("before-send.athena", answer)
    athena.check_workgroup(at(aws, NAMES))
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("code", "status"), [("InternalFailure", 501), ("NotImplemented", 501), ("UnknownOperationException", 404)]
)
def test_an_endpoint_without_athena_means_duckdb_with_one_line(aws: Aws, stub: Stubber, code: str, status: int) -> None:
    stub.add_client_error("get_work_group", code, "API for service athena not yet implemented", status)
    said: list[str] = []
    assert history.choose_engine(at(aws, NAMES), said.append) == "duckdb"
    assert len(said) == 1
    assert "no Athena" in said[0]


def test_where_the_workgroup_is_athena_is_the_engine(aws: Aws, stub: Stubber) -> None:
    stub.add_response("get_work_group", {"WorkGroup": {"Name": "stock"}}, {"WorkGroup": "stock"})
    assert history.choose_engine(at(aws, NAMES)) == "athena"


def test_a_missing_workgroup_is_not_a_missing_athena(aws: Aws, stub: Stubber) -> None:
    stub.add_client_error("get_work_group", "InvalidRequestException", "WorkGroup stock is not found.")
    with pytest.raises(HistoryError, match="stockpipe up"):
        history.choose_engine(at(aws, NAMES))


def test_a_refused_permission_is_not_a_missing_athena(aws: Aws, stub: Stubber) -> None:
    stub.add_client_error("get_work_group", "AccessDeniedException", "not authorized", 403)
    with pytest.raises(ClientError, match="not authorized"):
        history.choose_engine(at(aws, NAMES))


def test_nothing_at_the_address_is_not_a_missing_athena(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with pytest.raises(EndpointConnectionError):
        history.choose_engine(at(open_endpoint("http://127.0.0.1:1"), NAMES))
