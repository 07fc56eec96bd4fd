"""The declaration as an AWS CloudFormation template, for teams that deploy with their own tools.

The template is made from the same resources that `up` deploys, so the two can't drift apart. The account is left open
(`AWS::AccountId`); the function's zip is a parameter, because a template can't carry it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-template-resource-type-ref.html
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.resource import Resource
from bootstrap.resources.lambda_function import CODE_BUCKET, CODE_KEY
from bootstrap.settings import Settings
from profiles.names import Names
from profiles.pipeline import Pipeline


def template(pipeline: Pipeline, names: Names, settings: Settings, code: FunctionZip | None = None) -> dict[str, Any]:
    """The template, ready to be written as JSON."""
    declared = declare(pipeline, names, settings, code)
    logical = {one.id: _logical_id(one) for one in declared if not _owner(one)}
    resources: dict[str, Any] = {}
    for resource in declared:
        own = logical.get(resource.id, "")
        after = [logical[other] for other in resource.after if other in logical]
        for type_name, properties in _filled_in(resource.template(), logical, names.account).items():
            if owner := _owner(resource):
                resources[logical[owner.id]]["Properties"].update(properties)
            elif type_name.endswith("Policy"):  # it refers to its resource, and so comes after it
                resources[f"{own}Policy"] = {"Type": type_name, "Properties": properties}
            else:
                depends = {"DependsOn": after} if after else {}
                resources[own] = {"Type": type_name, **depends, "Properties": properties}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"stockpipe, environment {names.environment}: `stockpipe export cloudformation`",
        "Parameters": {
            CODE_BUCKET: {"Type": "String", "Description": "Bucket in us-east-2 that holds the function's zip"},
            CODE_KEY: {
                "Type": "String",
                "Description": "Key of the zip: `stockpipe export function-zip` writes the file",
            },
        },
        "Resources": resources,
    }


def _owner(resource: Resource) -> Resource | None:
    """The resource of which this one is a property in CloudFormation."""
    owner = resource.part_of
    return owner if owner and set(resource.template()) <= set(owner.template()) else None


def _logical_id(resource: Resource) -> str:
    """Letters and digits, the same in every environment: `queue StockQueue-dlq` → `QueueStockQueueDlq`."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", resource.local_id))


def _filled_in(value: Any, logical: Mapping[str, str], account: str) -> Any:
    """References to resources by their logical ids, and the account left open."""
    if isinstance(value, str):
        return {"Fn::Sub": value.replace(account, "${AWS::AccountId}")} if account in value else value
    if isinstance(value, Mapping):
        if set(value) == {"Ref"}:
            return {"Ref": logical.get(value["Ref"], value["Ref"])}
        return {key: _filled_in(inner, logical, account) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled_in(inner, logical, account) for inner in value]
    return value


def to_json(document: Mapping[str, Any]) -> str:
    """The template as text, one that diffs well."""
    return json.dumps(document, indent=2) + "\n"
