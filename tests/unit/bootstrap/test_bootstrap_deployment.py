"""What is said of one resource. What is done to environments: see tests/integration and tests/faults."""

from typing import Any

import pytest

from bootstrap import ResourceStatus, deployment, status
from bootstrap.model import Unavailable
from bootstrap.resources.athena import WorkGroup
from profiles.session import open_endpoint
from tests.support.environments import at, stock_names, stock_settings


def test_what_the_endpoint_cannot_have_is_skipped_and_neither_missing_nor_a_drift(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def take(_: object, resources: Any) -> dict[str, Unavailable | None]:
        return {one.id: Unavailable("no Athena") if isinstance(one, WorkGroup) else None for one in resources}

    monkeypatch.setattr(deployment, "take", take)
    environment = at(open_endpoint("http://127.0.0.1:9"), stock_names("123456789012"))

    found = {one.resource: one for one in status(environment, stock_settings())}

    skipped, missing = found["workgroup stock"], found["topic StockAlerts"]
    assert skipped == ResourceStatus("workgroup stock", False, "", "skipped", (), skipped="no Athena")
    assert (skipped.as_declared, missing.as_declared) == (True, False)
    assert (missing.state, missing.skipped) == ("missing", "")
