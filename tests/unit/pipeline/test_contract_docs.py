"""docs/data-contract.md says what the contract and the rules say."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.contract import CONTRACT, Tick
from pipeline.rules import RULES, Settings
from runtime.alerts import Rule, message_of
from runtime.contract import STORED_FIELDS
from runtime.settings import settings_of

PAGE = (Path(__file__).parents[3] / "docs" / "data-contract.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"```json\n(.*)\n```", PAGE)


def rows(header: str) -> str:
    """The rows of the table that has this header."""
    _, _, rest = PAGE.partition(f"\n{header}\n")
    return rest.partition("\n\n")[0].partition("\n")[2]


def test_the_table_of_a_messages_fields_is_the_field_table() -> None:
    table = [f"| `{one.name}` | {one.sql_type} | {one.expected} | {one.meaning} |" for one in CONTRACT.fields]

    assert rows("| field | type in SQL | expected | meaning |") == "\n".join(table)


def test_the_table_of_a_records_fields_is_what_the_function_adds() -> None:
    table = [f"| `{name}` | {sql_type} | {meaning} |" for name, (sql_type, meaning) in STORED_FIELDS.items()]

    assert rows("| field | type in SQL | meaning |") == "\n".join(table)


def test_the_example_is_a_tick() -> None:
    tick = CONTRACT.parse(EXAMPLE, message_id="m", sent_timestamp_ms=0)

    assert json.loads(CONTRACT.encode(tick)) == json.loads(EXAMPLE)


def test_each_rulehas_its_row_with_its_setting() -> None:
    table = rows("| rule | a tick breaches it if | used |").splitlines()
    variables = {about.variable for about in settings_of(Settings).values()}

    assert [row.split("|")[1].strip(" `") for row in table] == [rule.name for rule in RULES]
    assert set(re.findall(r"[A-Z]+_[A-Z_]+", "".join(table))) <= variables


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_an_alert_says_is_documented(rule: Rule[Tick, Settings]) -> None:
    told = Settings(alert_volume=20_000)
    tick = replace(CONTRACT.parse(EXAMPLE, message_id="m", sent_timestamp_ms=0), volume=25_000)

    assert f"`{rule.subject(tick, told)}`" in PAGE
    more = set(message_of(rule, tick, told, "0")) - {one.name for one in CONTRACT.fields}
    [body] = re.findall(r"Body, JSON: the fields of the tick, (.*)", PAGE)
    assert set(re.findall(r"`(\w+)`", body)) == more
    [attributes] = re.findall(r"Attributes for filter policies: (.*)", PAGE)
    assert set(re.findall(r"`(\w+)`", attributes)) == {"rule", *(o.name for o in CONTRACT.fields if o.filterable)}


def test_the_option_of_the_volume_ruleis_the_one_of_its_setting() -> None:
    assert settings_of(Settings)["alert_volume"].flag in rows("| rule | a tick breaches it if | used |")
