"""docs/least-privilege.md has a row for every action of the role's policy, and names every action allowed for all."""

import re
from pathlib import Path

from bootstrap.admin_policy import admin_policy
from tests.support.enforced_iam import every_action
from tests.support.environments import STOCKS, stock_names

PAGE = (Path(__file__).parents[3] / "docs" / "least-privilege.md").read_text(encoding="utf-8")
NAMES = stock_names("123456789012")


def test_every_action_of_the_role_has_its_row() -> None:
    assert re.findall(r"^\| (\w+) \| `([\w:]+)` \|", PAGE, re.MULTILINE) == list(every_action(NAMES))


def test_what_is_allowed_for_everything_is_named() -> None:
    for statement in admin_policy(STOCKS, NAMES)["Statement"]:
        if statement["Sid"] == "WithoutResource":
            assert [action for action in statement["Action"] if f"`{action}`" not in PAGE] == []
