"""Policy documents, as pure functions from names to what IAM calls a policy. They are the same on every endpoint.

Each grants exactly what is used; nothing has a wildcard action.
"""

from typing import Any

from profiles.names import Names
from runtime.contract import ALERTS_PREFIX, Contract

PolicyDocument = dict[str, Any]

VERSION = "2012-10-17"


def role_trust() -> PolicyDocument:
    """Lambda may assume the function's role."""
    return _document(
        {
            "Sid": "LambdaAssumesThisRole",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )


def role_permissions(names: Names, contract: Contract[Any]) -> PolicyDocument:
    """What the function may do, and its event source mapping, which polls the queue with the function's role.

    There is no logs:CreateLogGroup: bootstrap makes the log group, with a retention. Alert markers are read as well as
    written, because whoever finds a claimed one decides by its content (docs/architecture.md).
    """
    return _document(
        {
            "Sid": f"Read{contract.plural.title()}",
            "Effect": "Allow",
            "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            "Resource": names.queue_arn,
        },
        {
            "Sid": "StoreRecords",
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": f"{bucket_arn(names)}/{contract.prefix}*",
        },
        {
            "Sid": "ClaimAlerts",
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:GetObject"],
            "Resource": f"{bucket_arn(names)}/{ALERTS_PREFIX}*",
        },
        {"Sid": "PublishAlerts", "Effect": "Allow", "Action": "sns:Publish", "Resource": names.topic_arn},
        {
            "Sid": "WriteLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{names.arn('logs', f'log-group:{names.log_group}')}:*",
        },
    )


def bucket_tls_only(names: Names) -> PolicyDocument:
    """Nobody reaches the bucket without TLS, whatever else they are allowed.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
    """
    return _document(
        {
            "Sid": "DenyWithoutTLS",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn(names), f"{bucket_arn(names)}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def queue_from_topic(names: Names, queue_arn: str) -> PolicyDocument:
    """Only the alert topic may send to a queue that is subscribed to it.

    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    """
    return _document(
        {
            "Sid": "AlertTopicSends",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": names.topic_arn}},
        }
    )


def bucket_arn(names: Names) -> str:
    """ARN of the bucket; S3's ARNs have neither region nor account."""
    return f"arn:aws:s3:::{names.bucket}"


def _document(*statements: dict[str, Any]) -> PolicyDocument:
    return {"Version": VERSION, "Statement": list(statements)}
