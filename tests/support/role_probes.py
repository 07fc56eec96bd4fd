"""What the function's role may do and may not, as API calls: the whole of its policy, and what lies next to it."""

from collections.abc import Callable

from profiles.names import Names
from tests.support.enforced_iam import Probe, Scene, ask

_VISIBLE_AGAIN = 0


def _put(key: str, names: Callable[[Scene], Names] = lambda scene: scene.names) -> Callable[[Scene], object]:
    return lambda scene: scene.role.s3.put_object(Bucket=names(scene).bucket, Key=key, Body=b"{}")


def _get(key: str, names: Callable[[Scene], Names] = lambda scene: scene.names) -> Callable[[Scene], object]:
    def call(scene: Scene) -> object:
        scene.root.s3.put_object(Bucket=names(scene).bucket, Key=key, Body=b"{}")
        return scene.role.s3.get_object(Bucket=names(scene).bucket, Key=key)

    return call


def _delete(queue: Callable[[Scene], str]) -> Callable[[Scene], object]:
    """Permissions are checked before the receipt handle: with a made-up one no message is needed."""

    def call(scene: Scene) -> object:
        try:
            return scene.role.sqs.delete_message(QueueUrl=scene.queue_url(queue(scene)), ReceiptHandle="made up")
        except scene.role.sqs.exceptions.ReceiptHandleIsInvalid:
            return None

    return call


def _receive(queue: Callable[[Scene], str]) -> Callable[[Scene], object]:
    return lambda scene: scene.role.sqs.receive_message(
        QueueUrl=scene.queue_url(queue(scene)), VisibilityTimeout=_VISIBLE_AGAIN
    )


def _attributes(queue: Callable[[Scene], str]) -> Callable[[Scene], object]:
    return lambda scene: scene.role.sqs.get_queue_attributes(
        QueueUrl=scene.queue_url(queue(scene)), AttributeNames=["All"]
    )


def _publish(topic: Callable[[Scene], str]) -> Callable[[Scene], object]:
    return lambda scene: scene.role.sns.publish(TopicArn=topic(scene), Message="probe")


def _ask_log(action: str, names: Callable[[Scene], Names]) -> Callable[[Scene], object]:
    """On AWS a log group's ARN in a policy ends in `:*`, or in the name of a stream; ministack checks it without.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """

    def call(scene: Scene) -> None:
        found = names(scene)
        ask(scene, action, f"{found.arn('logs', f'log-group:{found.log_group}')}:log-stream:any")

    return call


def _mine(scene: Scene) -> Names:
    return scene.names


def _other(scene: Scene) -> Names:
    return scene.neighbour


PROBES = (
    # What the event source mapping does on AWS, with this role.
    Probe("receive from the queue", True, _receive(lambda scene: scene.names.queue)),
    Probe("look at the queue", True, _attributes(lambda scene: scene.names.queue)),
    Probe("delete from the queue", True, _delete(lambda scene: scene.names.queue)),
    # What the function does.
    Probe("store a record", True, _put("processed/PROBE/1-a.json")),
    Probe("claim an alert", True, _put("alerts/PROBE/1.json")),
    Probe("read an alert's marker", True, _get("alerts/PROBE/2.json")),
    Probe("publish an alert", True, _publish(lambda scene: scene.names.topic_arn)),
    # What Lambda does with this role for the function's output.
    Probe("open a log stream", True, _ask_log("logs:CreateLogStream", _mine)),
    Probe("write to the log", True, _ask_log("logs:PutLogEvents", _mine)),
    # The same bucket, otherwise.
    Probe("read a record", False, _get("processed/PROBE/2-b.json")),
    Probe("write a query result", False, _put("athena-results/probe.csv")),
    Probe("read a query result", False, _get("athena-results/probe.csv")),
    Probe("write beside the prefixes", False, _put("probe.json")),
    Probe("read beside the prefixes", False, _get("probe.json")),
    Probe(
        "delete a record",
        False,
        lambda scene: scene.role.s3.delete_object(Bucket=scene.names.bucket, Key="processed/PROBE/1-a.json"),
    ),
    Probe(
        "delete a marker",
        False,
        lambda scene: scene.role.s3.delete_object(Bucket=scene.names.bucket, Key="alerts/PROBE/1.json"),
    ),
    Probe("list the bucket", False, lambda scene: scene.role.s3.list_objects_v2(Bucket=scene.names.bucket)),
    Probe("read the bucket's policy", False, lambda scene: scene.role.s3.get_bucket_policy(Bucket=scene.names.bucket)),
    # The same queues and topic, otherwise.
    Probe(
        "send to the queue",
        False,
        lambda scene: scene.role.sqs.send_message(QueueUrl=scene.queue_url(scene.names.queue), MessageBody="{}"),
    ),
    Probe("receive from the dead-letter queue", False, _receive(lambda scene: scene.names.dead_letter_queue)),
    Probe("look at the dead-letter queue", False, _attributes(lambda scene: scene.names.dead_letter_queue)),
    Probe("delete from the dead-letter queue", False, _delete(lambda scene: scene.names.dead_letter_queue)),
    Probe("receive from the inbox", False, _receive(lambda scene: scene.names.inbox_queue)),
    Probe(
        "subscribe to the topic",
        False,
        lambda scene: scene.role.sns.subscribe(
            TopicArn=scene.names.topic_arn, Protocol="sqs", Endpoint=scene.neighbour.inbox_queue_arn
        ),
    ),
    Probe("make a log group", False, _ask_log("logs:CreateLogGroup", _mine)),
    Probe("read the log", False, _ask_log("logs:FilterLogEvents", _mine)),
    # The environment beside it.
    Probe("receive from another queue", False, _receive(lambda scene: scene.neighbour.queue)),
    Probe("delete from another queue", False, _delete(lambda scene: scene.neighbour.queue)),
    Probe("look at another queue", False, _attributes(lambda scene: scene.neighbour.queue)),
    Probe("store a record in another bucket", False, _put("processed/PROBE/1-a.json", _other)),
    Probe("claim an alert in another bucket", False, _put("alerts/PROBE/1.json", _other)),
    Probe("read a marker in another bucket", False, _get("alerts/PROBE/2.json", _other)),
    Probe("publish to another topic", False, _publish(lambda scene: scene.neighbour.topic_arn)),
    Probe("open a log stream of another function", False, _ask_log("logs:CreateLogStream", _other)),
    Probe("write to another function's log", False, _ask_log("logs:PutLogEvents", _other)),
    # Anything about permissions.
    Probe("read its own role", False, lambda scene: scene.role.iam.get_role(RoleName=scene.names.role)),
    Probe(
        "invoke its own function",
        False,
        lambda scene: scene.role.lambda_.invoke(FunctionName=scene.names.function, InvocationType="DryRun"),
    ),
)
