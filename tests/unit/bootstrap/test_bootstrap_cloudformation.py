"""The exported template, judged by cfn-lint: AWS's own resource schemas, and the real names of IAM actions."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint  # type: ignore[import-untyped]

from bootstrap.cloudformation import template, to_json
from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip, build_function_zip
from tests.support.command_line import stockpipe
from tests.support.environments import STOCKS, stock_names, stock_settings

ZIP = FunctionZip(b"zip", "sha")
PLAIN = STOCKS, stock_names("123456789012"), stock_settings(), ZIP
EVERYTHING = (
    STOCKS,
    stock_names("123456789012", "alice"),
    stock_settings(alert_email="a@example.com", maximum_concurrency=5, object_layout="batch"),
    ZIP,
)


def _lint(document: dict[str, Any]) -> list[str]:
    found = lint(to_json(document), config=ManualArgs(regions=["us-east-2"]))
    return [f"{match.rule.id} {match.message}" for match in found]


@pytest.mark.parametrize("declared", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_cfn_lint_has_nothing_to_say(declared: Any) -> None:
    assert _lint(template(*declared)) == []


@pytest.mark.parametrize(
    ("action", "text"),
    [("sqs:RecieveMessage", "'recievemessage' is not one of"), ("sqz:ReceiveMessage", "'sqz' is not one of")],
)
def test_cfn_lint_would_find_an_action_that_does_not_exist(action: str, text: str) -> None:
    document = copy.deepcopy(template(*PLAIN))
    role = document["Resources"]["RoleStockPipelineLambdaRole"]["Properties"]
    role["Policies"][0]["PolicyDocument"]["Statement"][0]["Action"] = [action]

    assert text in "\n".join(_lint(document))


def test_every_declared_resource_is_in_the_template() -> None:
    written = json.dumps(template(*PLAIN)["Resources"])

    for resource in declare(*PLAIN):
        if resource.kind in ("queue", "topic", "role", "log group", "function", "alarm", "workgroup", "database"):
            assert f'"{resource.name}"' in written, resource.id


def test_the_tables_are_in_the_template_with_their_columns() -> None:
    resources = template(*PLAIN)["Resources"].values()
    tables = {
        one["Properties"]["TableInput"]["Name"]: one["Properties"]
        for one in resources
        if one["Type"] == "AWS::Glue::Table"
    }

    assert set(tables) == {"records", "record_details", "ticks"}
    assert {one["DatabaseName"] for one in tables.values()} == {"stock_data"}
    columns = tables["records"]["TableInput"]["StorageDescriptor"]["Columns"]
    assert [column["Name"] for column in columns] == ["symbol", "price", "volume", "processed_at"]


def test_the_command_prints_the_template_of_the_settings_given() -> None:
    result = stockpipe("export", "cloudformation", "--prefix", "alice", "--alert-threshold", "900")

    function = json.loads(result.stdout)["Resources"]["FunctionStockProcessor"]["Properties"]
    assert function["FunctionName"] == "alice-StockProcessor"
    assert function["Environment"]["Variables"]["ALERT_THRESHOLD"] == "900"


def test_the_function_zip_is_written_as_up_uploads_it(tmp_path: Path) -> None:
    out = tmp_path / "function.zip"

    result = stockpipe("export", "function-zip", str(out))

    assert result.exit_code == 0
    assert out.read_bytes() == build_function_zip(STOCKS).content


def test_the_account_is_left_open() -> None:
    text = to_json(template(*PLAIN))

    assert "123456789012" not in text
    assert "${AWS::AccountId}" in text
