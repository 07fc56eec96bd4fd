"""The exported template, judged by cfn-lint: AWS's own resource schemas, and the real names of IAM actions."""

import copy
import json
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint  # type: ignore[import-untyped]

from bootstrap import Settings
from bootstrap.cloudformation import template, to_json
from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.model import id_of
from profiles.names import Names

ZIP = FunctionZip(b"zip", "sha")
PLAIN = Settings(Names("123456789012"))
EVERYTHING = Settings(
    Names("123456789012", "alice"), alert_email="a@example.com", maximum_concurrency=5, object_layout="batch"
)


def _lint(document: dict[str, Any]) -> list[str]:
    found = lint(to_json(document), config=ManualArgs(regions=["us-east-2"]))
    return [f"{match.rule.id} {match.message}" for match in found]


@pytest.mark.parametrize("settings", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_cfn_lint_has_nothing_to_say(settings: Settings) -> None:
    assert _lint(template(settings, ZIP)) == []


@pytest.mark.parametrize(
    ("action", "text"),
    [("sqs:RecieveMessage", "'recievemessage' is not one of"), ("sqz:ReceiveMessage", "'sqz' is not one of")],
)
def test_cfn_lint_would_find_an_action_that_does_not_exist(action: str, text: str) -> None:
    document = copy.deepcopy(template(PLAIN, ZIP))
    role = document["Resources"]["RoleStockPipelineLambdaRole"]["Properties"]
    role["Policies"][0]["PolicyDocument"]["Statement"][0]["Action"] = [action]

    assert text in "\n".join(_lint(document))


def test_every_declared_resource_is_in_the_template() -> None:
    written = json.dumps(template(PLAIN, ZIP)["Resources"])

    for resource in declare(PLAIN, ZIP):
        if resource.kind in ("queue", "topic", "role", "log group", "function", "alarm"):
            assert f'"{resource.name}"' in written, id_of(resource)


def test_the_account_is_left_open() -> None:
    text = to_json(template(PLAIN, ZIP))

    assert "123456789012" not in text
    assert "${AWS::AccountId}" in text
