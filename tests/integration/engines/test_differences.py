"""docs/engines.md says where the engines differ from AWS; here its table is made from what they answer, and compared.

After an engine's version has changed: STOCKPIPE_WRITE_DOCS=1 make test PYTEST_ARGS=tests/integration/engines
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from profiles.session import Aws
from tests.support.engine_probes import PROBES, fresh_name

PAGE = Path(__file__).parents[3] / "docs" / "engines.md"
BEGIN, END = "<!-- made by tests/integration/engines -->\n", "<!-- end -->\n"


def answers(aws: Aws) -> list[str]:
    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(lambda probe: probe.run(aws, fresh_name()), PROBES))


def shown(answer: str, on_aws: str) -> str:
    return "as AWS" if answer == on_aws else f"**{answer}**"


def test_the_page_says_what_the_engines_do(localstack: Any, ministack: Any) -> None:
    # given what both engines answer to each probe
    on_localstack, on_ministack = answers(localstack.aws), answers(ministack.aws)

    # when the table is made from it
    rows = [
        f"| {probe.what} | {probe.on_aws} ({probe.source}) "
        f"| {shown(first, probe.on_aws)} | {shown(second, probe.on_aws)} |"
        for probe, first, second in zip(PROBES, on_localstack, on_ministack, strict=True)
    ]
    table = "\n".join(
        ["| what is tried | AWS | LocalStack 4.14.0 | ministack 1.5.33 |", "|---|---|---|---|", *rows, ""]
    )
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    current, _, after = rest.partition(END)
    if os.environ.get("STOCKPIPE_WRITE_DOCS"):
        PAGE.write_text(before + BEGIN + table + END + after, encoding="utf-8")
        return

    # then it is the one on the page
    assert current == table
