"""The pages name the tests that show what they say: each of them exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_tests_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", page.read_text(encoding="utf-8")))

    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_security_names_a_test_for_each_attacker() -> None:
    rows = [line for line in (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines() if "| " in line]
    attackers = [row for row in rows if not row.startswith(("| Attacker", "|---"))]

    assert len(attackers) > 15
    assert [row for row in attackers if "tests/" not in row and "the same tests" not in row] == []
