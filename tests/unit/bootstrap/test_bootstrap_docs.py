"""The tables in the documentation name tests: each of them exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("page", ["aws-behaviours.md", "engines.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text(encoding="utf-8")))
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_bootstrap_*.py")]
    existing = {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}

    assert named
    assert named <= existing
