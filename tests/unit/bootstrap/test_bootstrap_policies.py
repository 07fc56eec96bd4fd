"""The policies say exactly what the design says; nothing is wider."""

from bootstrap.declaration import declare
from bootstrap.function_zip import FunctionZip
from bootstrap.policies import PolicyDocument
from bootstrap.resources.iam import TRUST
from bootstrap.resources.s3 import Bucket
from tests.support.environments import STOCKS, role_permissions, stock_names, stock_settings

NAMES = stock_names("123456789012")
BUCKET = "arn:aws:s3:::stock-data-123456789012-us-east-2"


def _grants(document: PolicyDocument) -> set[tuple[str, str]]:
    """(action, resource) of each allowing statement."""
    grants = set()
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        grants |= {(action, statement["Resource"]) for action in actions}
    return grants


def test_the_role_may_do_what_the_pipeline_does_and_nothing_else() -> None:
    queue = "arn:aws:sqs:us-east-2:123456789012:StockQueue"
    log_streams = "arn:aws:logs:us-east-2:123456789012:log-group:/aws/lambda/StockProcessor:*"

    assert _grants(role_permissions(STOCKS, NAMES)) == {
        ("sqs:ReceiveMessage", queue),
        ("sqs:DeleteMessage", queue),
        ("sqs:GetQueueAttributes", queue),
        ("s3:PutObject", f"{BUCKET}/processed/*"),
        ("s3:PutObject", f"{BUCKET}/alerts/*"),
        ("s3:GetObject", f"{BUCKET}/alerts/*"),
        ("sns:Publish", "arn:aws:sns:us-east-2:123456789012:StockAlerts"),
        ("logs:CreateLogStream", log_streams),
        ("logs:PutLogEvents", log_streams),
    }


def test_only_lambda_may_assume_the_role() -> None:
    (statement,) = TRUST["Statement"]

    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"


def test_the_bucket_is_denied_to_everybody_without_tls() -> None:
    (statement,) = Bucket(NAMES, NAMES.bucket).policy["Statement"]

    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == [BUCKET, f"{BUCKET}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_only_the_alert_topic_may_send_to_the_inbox() -> None:
    declared = {one.id: one for one in declare(STOCKS, NAMES, stock_settings(), FunctionZip(b"zip", "sha"))}
    (statement,) = declared["queue StockAlertsInbox"].declared()["Policy"]["Statement"]

    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == "arn:aws:sqs:us-east-2:123456789012:StockAlertsInbox"
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-2:123456789012:StockAlerts"}}
