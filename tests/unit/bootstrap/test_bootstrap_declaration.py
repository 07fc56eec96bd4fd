"""What the pipeline declares, and what follows from its references."""

from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.planner import plan_up
from tests.support.environments import STOCKS, stock_names, stock_settings

NAMES, ZIP = stock_names("123456789012"), FunctionZip(b"zip", "sha")
RESOURCES = declare(STOCKS, NAMES, stock_settings(alert_email="a@example.com"), ZIP)


def test_every_resource_comes_after_those_it_needs() -> None:
    seen: set[str] = set()
    for action in plan_up(RESOURCES, dict.fromkeys((one.id for one in RESOURCES), None), "default").actions:
        assert set(action.after) <= seen
        seen.add(action.resource)
