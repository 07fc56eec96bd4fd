"""The status table in a wide and in a narrow window."""

import io

import pytest
from rich.console import Console

from bootstrap.deployment import ResourceStatus
from bootstrap.render import status_table

ARN = "arn:aws:sqs:us-east-2:000000000000:StockQueue"
FOUND = [ResourceStatus("queue StockQueue", exists=True, arn=ARN, state="ok", drift=())]


def shown(width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(status_table(FOUND, width))
    return out.getvalue()


def test_a_wide_window_shows_arns() -> None:
    assert ARN in shown(120)
    assert "--json" not in shown(120)


@pytest.mark.parametrize("width", [40, 60])
def test_where_an_arn_would_break_the_table_says_where_it_is(width: int) -> None:
    assert "arn:" not in shown(width)
    assert "queue StockQueue" in shown(width)
    assert "--json" in shown(width)
