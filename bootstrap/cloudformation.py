"""The declaration as an AWS CloudFormation template, for teams that deploy with their own tools.

The template is made from the same resources that `up` deploys, so the two can't drift apart. The account is left open
(`AWS::AccountId`); the function's zip is a parameter, because a template can't carry it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-template-resource-type-ref.html
"""

import json
import re
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.model import Resource, id_of
from bootstrap.resources.athena import Database, Table, WorkGroup
from bootstrap.resources.cloudwatch import Alarm
from bootstrap.resources.event_source_mapping import EventSourceMapping
from bootstrap.resources.iam import Role
from bootstrap.resources.lambda_function import Function
from bootstrap.resources.logs import LogGroup
from bootstrap.resources.s3 import ENCRYPTION, OWNERSHIP, PUBLIC_ACCESS_BLOCK, Bucket
from bootstrap.resources.sns import Subscription, Topic
from bootstrap.resources.sqs import Queue, RedriveAllowPolicy
from bootstrap.settings import Settings
from profiles.names import Names
from profiles.pipeline import Pipeline

Properties = dict[str, Any]
# CloudFormation type → properties. A resource of ours may be two of CloudFormation's.
Parts = dict[str, Properties]

CODE_BUCKET = "CodeBucket"
CODE_KEY = "CodeKey"
_CATALOG = {"Ref": "AWS::AccountId"}
_NUMBERS = frozenset({"VisibilityTimeout", "MessageRetentionPeriod"})


def template(pipeline: Pipeline, names: Names, settings: Settings, code: FunctionZip | None = None) -> dict[str, Any]:
    """The template, ready to be written as JSON."""
    declared = declare(pipeline, names, settings, code)
    redrive = {one.name: one.declared() for one in declared if isinstance(one, RedriveAllowPolicy)}
    logical = {id_of(one): _logical_id(one, names) for one in declared}
    resources: dict[str, Any] = {}
    for resource in declared:
        own = logical[id_of(resource)]
        needs = [logical[other] for other in resource.after if not other.startswith(RedriveAllowPolicy.kind)]
        for type_name, properties in _parts(resource).items():
            is_policy = type_name.endswith("Policy")
            after = [own] if is_policy else needs
            more = redrive.get(resource.name, {}) if type_name == "AWS::SQS::Queue" else {}
            if type_name == "AWS::SQS::QueuePolicy":
                # A reference is the queue's URL, whatever that is where this is deployed, and waits for the queue.
                more, after = {"Queues": [{"Ref": own}]}, []
            resources[f"{own}Policy" if is_policy else own] = {
                "Type": type_name,
                **({"DependsOn": after} if after else {}),
                "Properties": _any_account({**properties, **more}, names.account),
            }
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


@singledispatch
def _parts(resource: Resource) -> Parts:
    raise NotImplementedError(f"{id_of(resource)} has no form in CloudFormation")


@_parts.register
def _(resource: Queue) -> Parts:
    attributes = {key: value for key, value in resource.attributes.items() if key != "Policy"}
    properties: Properties = {"QueueName": resource.name, "Tags": _tags(resource.tags)}
    for key, value in attributes.items():
        properties[key] = int(value) if key in _NUMBERS else value == "true" if isinstance(value, str) else value
    parts: Parts = {"AWS::SQS::Queue": properties}
    if policy := resource.attributes.get("Policy"):
        parts["AWS::SQS::QueuePolicy"] = {"PolicyDocument": policy}
    return parts


@_parts.register
def _(_resource: RedriveAllowPolicy) -> Parts:
    return {}  # a property of the dead-letter queue


@_parts.register
def _(resource: Topic) -> Parts:
    return {"AWS::SNS::Topic": {"TopicName": resource.name, "Tags": _tags(resource.tags)}}


@_parts.register
def _(resource: Subscription) -> Parts:
    properties = {"TopicArn": resource.topic_arn, "Protocol": resource.protocol, "Endpoint": resource.endpoint}
    attributes = {key: value == "true" for key, value in resource.attributes.items()}
    return {"AWS::SNS::Subscription": {**properties, **attributes}}


@_parts.register
def _(resource: Bucket) -> Parts:
    by_default = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": ENCRYPTION}}
    return {
        "AWS::S3::Bucket": {
            "BucketName": resource.name,
            "OwnershipControls": {"Rules": [{"ObjectOwnership": OWNERSHIP}]},
            "PublicAccessBlockConfiguration": PUBLIC_ACCESS_BLOCK,
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [by_default]},
            "Tags": _tags(resource.tags),
        },
        "AWS::S3::BucketPolicy": {"Bucket": resource.name, "PolicyDocument": resource.policy},
    }


@_parts.register
def _(resource: Role) -> Parts:
    return {
        "AWS::IAM::Role": {
            "RoleName": resource.name,
            "AssumeRolePolicyDocument": resource.trust,
            "Policies": [{"PolicyName": resource.policy_name, "PolicyDocument": resource.permissions}],
            "Tags": _tags(resource.tags),
        }
    }


@_parts.register
def _(resource: LogGroup) -> Parts:
    properties = {"LogGroupName": resource.name, "RetentionInDays": resource.retention_days}
    return {"AWS::Logs::LogGroup": {**properties, "Tags": _tags(resource.tags)}}


@_parts.register
def _(resource: Function) -> Parts:
    return {
        "AWS::Lambda::Function": {
            "FunctionName": resource.name,
            **resource.configuration,
            "Code": {"S3Bucket": {"Ref": CODE_BUCKET}, "S3Key": {"Ref": CODE_KEY}},
            "Tags": _tags(resource.tags),
        }
    }


@_parts.register
def _(resource: EventSourceMapping) -> Parts:
    configuration = {key: value for key, value in resource.configuration.items() if value != {}}
    properties = {"EventSourceArn": resource.queue_arn, "FunctionName": resource.function, "Enabled": True}
    return {"AWS::Lambda::EventSourceMapping": {**properties, **configuration, "Tags": _tags(resource.tags)}}


@_parts.register
def _(resource: WorkGroup) -> Parts:
    configuration = {"WorkGroupConfiguration": dict(resource.configuration), "RecursiveDeleteOption": True}
    properties = {"Name": resource.name, "State": "ENABLED", **configuration, "Tags": _tags(resource.tags)}
    return {"AWS::Athena::WorkGroup": properties}


@_parts.register
def _(resource: Database) -> Parts:
    made = {"Name": resource.name, "Parameters": dict(resource.tags)}
    return {"AWS::Glue::Database": {"CatalogId": _CATALOG, "DatabaseInput": made}}


@_parts.register
def _(resource: Table) -> Parts:
    properties = {"CatalogId": _CATALOG, "DatabaseName": resource.database}
    return {"AWS::Glue::Table": {**properties, "TableInput": resource.table_input(resource.definition.parameters)}}


@_parts.register
def _(resource: Alarm) -> Parts:
    properties = {"AlarmName": resource.name, **resource.configuration, "Tags": _tags(resource.tags)}
    return {"AWS::CloudWatch::Alarm": properties}


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _logical_id(resource: Resource, names: Names) -> str:
    """Letters and digits, the same in every environment: `queue StockQueue-dlq` → `QueueStockQueueDlq`."""
    text = id_of(resource).replace(names.prefixed(""), "") if names.prefix else id_of(resource)
    if isinstance(resource, Bucket):
        text = f"{resource.kind} {names.of.bucket}"
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text))


def _any_account(value: Any, account: str) -> Any:
    if isinstance(value, str):
        return {"Fn::Sub": value.replace(account, "${AWS::AccountId}")} if account in value else value
    if isinstance(value, Mapping):
        return {key: _any_account(inner, account) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_any_account(inner, account) for inner in value]
    return value


def to_json(document: Mapping[str, Any]) -> str:
    """The template as text, one that diffs well."""
    return json.dumps(document, indent=2) + "\n"
