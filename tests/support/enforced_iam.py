"""Acting as a role or a user on an engine that enforces IAM, and asking the API what they may do.

ministack with IAM enforced takes the keys `test` as the account's root; everybody else is held to their policies. A
probe is one real API call: it is made, and AWS's answer says whether it was allowed.
"""

import copy
import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.session import Session as BotocoreSession

from bootstrap.policies import PolicyDocument
from pipeline.contract import CONTRACT, Tick
from pipeline.rules import PRICE, Settings
from profiles.environment import Environment
from profiles.names import REGION, Names
from profiles.session import Aws, Profile
from runtime.alerts import Marker
from runtime.clock import iso_utc
from tests.support.environments import STOCKS, at, role_permissions

DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "403"}
)


class RefusedError(Exception):
    """IAM says no, when asked instead of tried."""


@dataclass(frozen=True)
class Keys:
    """Credentials."""

    key: str
    secret: str
    token: str | None = None


ROOT = Keys("test", "test")


@dataclass(frozen=True)
class Endpoint:
    """Where the engine answers, and the certificate to trust there; None: plain http."""

    url: str
    certificate: Path | None

    def as_(self, keys: Keys) -> Aws:
        """Clients for these credentials. `profiles` refuses keys that look real with an emulator: so not through it."""
        session = BotocoreSession()
        session.set_config_variable("ca_bundle", str(self.certificate) if self.certificate else None)
        made = boto3.Session(keys.key, keys.secret, keys.token, REGION, botocore_session=session)
        return Aws(Profile("enforced", self.url), made)


@dataclass(frozen=True)
class Scene:
    """One environment that is up, another one beside it, and the function's role acting for itself."""

    root: Aws
    role: Aws
    names: Names
    neighbour: Names

    @property
    def environment(self) -> Environment:
        """The environment, with the account's root."""
        return at(self.root, self.names)

    def give(self, policy: PolicyDocument) -> None:
        """Replace the role's policy. ministack looks it up at every call, so it holds at once."""
        self.root.iam.put_role_policy(
            RoleName=self.names.role, PolicyName=self.names.policy, PolicyDocument=json.dumps(policy)
        )

    def queue_url(self, name: str) -> str:
        """By the account, whatever the role may do."""
        return self.root.sqs.get_queue_url(QueueName=name)["QueueUrl"]


@dataclass(frozen=True)
class Probe:
    """One call (or question to IAM), and whether exactly our policy allows it."""

    name: str
    allowed: bool
    call: Callable[[Scene], object]

    def passes(self, scene: Scene) -> bool:
        """Make the call as the role. Raises what isn't about permissions."""
        try:
            self.call(scene)
        except ClientError as error:
            if error.response["Error"]["Code"] in DENIED:
                return False
            raise
        except RefusedError:
            return False
        return True


def ask(scene: Scene, action: str, resource: str) -> None:
    """Ask IAM whether the role may do this, for calls that ministack checks against another ARN than AWS does.

    Raises `RefusedError`. https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    (answer,) = scene.root.iam.simulate_principal_policy(
        PolicySourceArn=scene.names.role_arn, ActionNames=[action], ResourceArns=[resource]
    )["EvaluationResults"]
    if answer["EvalDecision"] != "allowed":
        raise RefusedError(f"{action} on {resource}: {answer['EvalDecision']}")


def assume(endpoint: Endpoint, role_arn: str) -> Aws:
    """Clients that act as the role."""
    answer = endpoint.as_(ROOT).sts.assume_role(RoleArn=role_arn, RoleSessionName="probe")["Credentials"]
    return endpoint.as_(Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"]))


def hire(endpoint: Endpoint, policy: PolicyDocument) -> Aws:
    """Make a user with one policy and nothing else; clients that act as that user."""
    root, name = endpoint.as_(ROOT), f"user-{uuid.uuid4().hex}"
    root.iam.create_user(UserName=name)
    root.iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
    keys = root.iam.create_access_key(UserName=name)["AccessKey"]
    return endpoint.as_(Keys(keys["AccessKeyId"], keys["SecretAccessKey"]))


def without(policy: PolicyDocument, sid: str, action: str) -> PolicyDocument:
    """The policy less one action of one statement."""
    changed = copy.deepcopy(policy)
    for statement in changed["Statement"]:
        if statement["Sid"] == sid:
            statement["Action"] = [found for found in actions_of(statement) if found != action]
    changed["Statement"] = [statement for statement in changed["Statement"] if statement["Action"]]
    return changed


def replaced(policy: PolicyDocument, sid: str, **fields: Any) -> PolicyDocument:
    """The policy with other fields in one statement."""
    changed = copy.deepcopy(policy)
    for statement in changed["Statement"]:
        if statement["Sid"] == sid:
            statement.update(fields)
    return changed


def actions_of(statement: dict[str, Any]) -> list[str]:
    """The actions of a statement, also where there is only one."""
    found = statement["Action"]
    return [found] if isinstance(found, str) else list(found)


def every_action(names: Names) -> Iterator[tuple[str, str]]:
    """(Sid, action) of each single action of the role's policy."""
    for statement in role_permissions(STOCKS, names)["Statement"]:
        for action in actions_of(statement):
            yield statement["Sid"], action


# Ticks as the function gets them ----------------------------------------------------------------------------------

DEFAULTS = Settings()


def process(scene: Scene) -> set[str]:
    """Hand the deployed function one batch of three ticks; which of them it could not process.

    `stored` is below the alert threshold, `alerted` is a symbol's first at or above it, `suppressed` finds the marker
    of an alert that another invocation has published.
    """
    ticks = {
        "stored": _tick(10.0),
        "alerted": _tick(DEFAULTS.alert_threshold),
        "suppressed": _tick(DEFAULTS.alert_threshold),
    }
    marker = CONTRACT.alert_key(PRICE.name, ticks["suppressed"], DEFAULTS.alert_cooldown_seconds)
    published = Marker("another", "published", "another", published_ms=0).encode(Tick.ID)
    scene.root.s3.put_object(Bucket=scene.names.bucket, Key=marker, Body=published)
    records = [
        {"messageId": name, "body": CONTRACT.encode(tick), "attributes": {"SentTimestamp": str(tick.epoch_ms)}}
        for name, tick in ticks.items()
    ]
    answer = scene.root.lambda_.invoke(FunctionName=scene.names.function, Payload=json.dumps({"Records": records}))
    result = json.loads(answer["Payload"].read())
    failed = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
    stored = {name for name, tick in ticks.items() if _exists(scene, CONTRACT.key(tick))}
    assert stored == set(ticks) - failed  # what it says is what is in the bucket
    return failed


def _tick(price: float) -> Tick:
    """A tick of a symbol that no other test uses: alerts are per symbol."""
    symbol = "".join(random.choices(ascii_uppercase, k=10))
    return Tick(uuid.uuid4().hex, symbol, price, 1, iso_utc(datetime.now(UTC)))


def _exists(scene: Scene, key: str) -> bool:
    answer = scene.root.s3.list_objects_v2(Bucket=scene.names.bucket, Prefix=key)
    return answer["KeyCount"] == 1
