"""A pipeline's function, run from its zip in a process of its own, on a simulated S3 and SNS."""

import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.function_zip import build_function_zip
from profiles.pipeline import Pipeline
from runtime.settings import FunctionEnvironment, FunctionSettings

_RUN = """
import importlib, json, os, sys
import boto3
from moto import mock_aws

class Context:
    aws_request_id, function_name, memory_limit_in_mb = "request-1", "function", 256
    invoked_function_arn = "arn:aws:lambda:us-east-2:000000000000:function:function"
    get_remaining_time_in_millis = staticmethod(lambda: 30_000)

module, name, *bodies = sys.argv[1:]
with mock_aws():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    os.environ["SNS_TOPIC_ARN"] = boto3.client("sns").create_topic(Name="topic")["TopicArn"]
    records = [
        {"messageId": f"m-{n}", "body": body, "attributes": {"SentTimestamp": "1782907200000"}}
        for n, body in enumerate(bodies)
    ]
    answer = getattr(importlib.import_module(module), name)({"Records": records}, Context())
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="bucket").get("Contents", [])]
    objects = {key: s3.get_object(Bucket="bucket", Key=key)["Body"].read().decode() for key in keys}
print("\\n" + json.dumps({"answer": answer, "objects": objects}))
"""


@dataclass(frozen=True)
class Invocation:
    """What one batch came to: ids of failed messages (`m-0` is the first), and the bucket's objects by key."""

    failed: list[str]
    objects: dict[str, str]


def invoke(pipeline: Pipeline, settings: FunctionSettings, *bodies: str, folder: Path) -> Invocation:
    """Unpack the function into `folder` and give it one batch with these message bodies."""
    zipfile.ZipFile(io.BytesIO(build_function_zip(pipeline).content)).extractall(folder)
    variables: dict[str, Any] = FunctionEnvironment("bucket", "a topic", settings).written()
    handler = pipeline.module("declaration").HANDLER.rsplit(".", 1)
    ran = subprocess.run(
        [sys.executable, "-c", _RUN, *handler, *bodies],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **variables,
            "AWS_DEFAULT_REGION": "us-east-2",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    return Invocation([one["itemIdentifier"] for one in found["answer"]["batchItemFailures"]], found["objects"])
