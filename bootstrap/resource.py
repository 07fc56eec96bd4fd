"""What every kind of resource has in common. Each kind is a class in `bootstrap.resources`, which carries all about it:

its calls, what AWS answers by and by, the limits that AWS sets, the permissions of whoever runs bootstrap, and its form
in CloudFormation. Resources refer to each other as objects; ids, ARNs, order and tags follow from that, here.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from botocore.exceptions import ClientError

from bootstrap.model import Attributes, Call, Live, Output, Patience, Step, Unavailable, Violation, Wait
from profiles.availability import is_missing_service
from profiles.names import Names
from profiles.session import Aws

# The tag that marks a resource as belonging to an environment. `down` removes nothing without it.
ENVIRONMENT_TAG = "stockpipe:environment"
# The statement of what AWS knows no resource for: it can be allowed for everything only.
WITHOUT_RESOURCE = "WithoutResource"

T = TypeVar("T")
# CloudFormation type → properties. A resource of ours may be two of CloudFormation's.
Template = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Permission:
    """IAM actions that whoever runs bootstrap needs. Permissions of one `sid` become one statement.

    `condition` is operator, key and value.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class NameRule:
    """AWS takes at most this many letters, digits, `_` and `-` for a name; else it answers `error`."""

    most: int
    error: str
    page: str

    def violations(self, kind: str, name: str) -> Iterator[Violation]:
        """The violation of a name that AWS would refuse."""
        if not re.fullmatch(f"[A-Za-z0-9_-]{{1,{self.most}}}", name):
            rule = f"a {kind}'s name is 1 to {self.most} letters, digits, _ or -"
            yield Violation(rule, name, self.error, self.page)


class Resource(ABC):
    """One declared resource. Kinds are frozen dataclasses; a field that is a resource is one that it needs."""

    kind: ClassVar[str]  # AWS's word for it: queue, topic, bucket …
    service: ClassVar[str]  # botocore's name of the service, which is IAM's and the ARN's as well
    arn_resource: ClassVar[str] = "{}"  # the last part of the ARN, with the name in it
    regional: ClassVar[bool] = True
    named_by: ClassVar[str] = ""  # the parameter of its calls that says which one is meant: its name
    output: ClassVar[str] = ""  # or the one that AWS chooses and answers, when it is made
    tagged: ClassVar[str] = "Tags"  # the attribute that has its tags; empty where AWS has none for it
    tag_list: ClassVar[bool] = True  # tags are sent as a list of `{"Key", "Value"}`, not as a mapping
    tags_on: ClassVar[str] = "ResourceARN"  # the parameter of TagResource that has the ARN
    not_there: ClassVar[tuple[str, ...]] = ()  # AWS's error codes that say that it isn't there
    deleted_by: ClassVar[str] = ""  # the operation that removes it
    patience: ClassVar[tuple[Patience, ...]] = ()  # the answers to its calls that pass by themselves
    unavailable: ClassVar[str] = ""  # what an endpoint without this service means for the user
    name_rule: ClassVar[NameRule | None] = None
    # What whoever runs bootstrap must be allowed to do: statement ids, and IAM actions with spaces between them.
    allowed: ClassVar[tuple[tuple[str, str], ...]] = ()
    cloudformation: ClassVar[str] = ""  # its type there

    if TYPE_CHECKING:  # fields of some kinds, derived in others

        @property
        def names(self) -> Names:
            """The environment that it is in."""

        @property
        def name(self) -> str:
            """Its name within its kind."""

    @property
    def id(self) -> str:
        """How plans, outputs and people refer to it: `queue StockQueue`."""
        return f"{self.kind} {self.name}"

    @property
    def arn(self) -> str:
        """Its ARN, which is known before it exists."""
        return self.names.arn(self.service, self.arn_resource.format(self.name), regional=self.regional)

    @property
    def tags(self) -> Any:
        """The tags of everything in an environment, as its calls take them."""
        tags = environment_tags(self.names)
        return tag_list(tags) if self.tag_list else tags

    @property
    def identity(self) -> Attributes:
        """The parameters of a call that say which one is meant."""
        return {self.output: Output(self.id, self.output)} if self.output else {self.named_by: self.name}

    @property
    def needs(self) -> tuple["Resource", ...]:
        """The resources that must exist first; on the way down they go last."""
        values = [getattr(self, one.name) for one in fields(self)]  # type: ignore[arg-type]
        listed = [inner for value in values for inner in (value if isinstance(value, tuple) else (value,))]
        return tuple(one for one in listed if isinstance(one, Resource))

    @property
    def after(self) -> tuple[str, ...]:
        """Their ids, each once."""
        return tuple(dict.fromkeys(other.id for other in self.needs))

    @property
    def part_of(self) -> "Resource | None":
        """The resource whose tag decides whom this one belongs to; None where it has a tag of its own."""
        return None

    @property
    def touched_by(self) -> Mapping[str, str]:
        """Id of another resource → the attribute to set again when that one is made anew."""
        return {}

    # What is declared and what is live -------------------------------------------------------------------------------

    @abstractmethod
    def attributes(self) -> Attributes:
        """The desired attributes but for the tags, in the shape in which `look` gives the live ones."""

    def declared(self) -> Attributes:
        """The desired attributes: what is compared."""
        tags = {self.tagged: environment_tags(self.names)} if self.tagged else {}
        return {**self.attributes(), **tags}

    def read(self, aws: Aws) -> Live | Unavailable | None:
        """The live resource by read-only calls, or None; or why there can't be one."""
        try:
            return unless(self.not_there, lambda: self.look(aws))
        except ClientError as error:
            if self.unavailable and is_missing_service(error):
                return Unavailable(self.unavailable)
            raise

    @abstractmethod
    def look(self, aws: Aws) -> Live | None:
        """The live resource. May raise AWS's answer that it isn't there."""

    def live(self, state: str, attributes: Attributes, tags: Mapping[str, str], *, arn: str = "", **more: Any) -> Live:
        """A live resource that has these attributes, of which only declared ones count, and these tags."""
        owner = tags.get(ENVIRONMENT_TAG)
        known = {key: attributes[key] for key in self.attributes() if key in attributes}
        ours = {ENVIRONMENT_TAG: owner} if owner else {}
        return Live(arn or self.arn, state, {**known, self.tagged: ours}, owner, **more)

    # How it is made, changed and removed -----------------------------------------------------------------------------

    @abstractmethod
    def create(self) -> Iterable[Step]:
        """The calls that make it."""

    def update(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:
        """The calls that set the changed attributes."""
        if others := changed - {self.tagged}:
            yield from self.change(live, others)
        if self.tagged in changed:
            yield self.tag(live)

    def change(self, live: Live, changed: frozenset[str]) -> Iterable[Step]:  # noqa: ARG002
        """The calls that set the changed attributes but for the tags."""
        return ()

    def tag(self, live: Live | None = None) -> Call:
        """The call that sets the tag."""
        parameters: dict[str, Any] = {self.tags_on: live.arn if live else self.arn, self.tagged: self.tags}
        return self.call("TagResource", named=False, **parameters)

    def delete(self, live: Live) -> Iterable[Step]:  # noqa: ARG002
        """The calls that remove it; none where it goes with another resource."""
        yield self.call(self.deleted_by, accepted=self.not_there)

    def must_be_replaced(self, live: Live, changed: frozenset[str]) -> bool:  # noqa: ARG002
        """Whether AWS can't change these attributes of an existing resource."""
        return False

    def call(
        self,
        operation: str,
        *,
        named: bool = True,
        accepted: tuple[str, ...] = (),
        raced: tuple[str, ...] | None = None,
        raced_text: str = "",
        advice: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> Call:
        """A call on this resource; `named`: with the parameter that says which one is meant.

        Unless said otherwise, the answer that the resource isn't there means that somebody else has removed it.
        """
        return Call(
            self.service,
            operation,
            {**self.identity, **parameters} if named else parameters,
            (self.output,) if operation.startswith("Create") and self.output else (),
            accepted,
            raced if raced is not None else () if accepted else self.not_there,
            raced_text,
            self.patience,
            advice or {},
        )

    def wait(self, operation: str, **until: Any) -> Wait:
        """Wait for what this operation says of it; the arguments are those of `Wait`."""
        return Wait(self.service, operation, self.identity, **until)

    # What AWS asks ---------------------------------------------------------------------------------------------------

    def violations(self) -> Iterator[Violation]:
        """What AWS would refuse about it."""
        if self.name_rule:
            yield from self.name_rule.violations(self.kind, self.name)

    @property
    def allowed_on(self) -> tuple[str, ...]:
        """The ARNs on which `allowed` is allowed, but for what AWS knows no resource for."""
        return (self.arn,)

    def permissions(self) -> Iterable[Permission]:
        """What whoever runs bootstrap must be allowed to do."""
        for sid, actions in self.allowed:
            yield self.permission(sid, actions, *(("*",) if sid == WITHOUT_RESOURCE else self.allowed_on))

    def permission(self, sid: str, operations: str, *resources: str, **more: Any) -> Permission:
        """Permission for some of the service's IAM actions, named with spaces between them; by default on this ARN."""
        actions = tuple(f"{self.service}:{operation}" for operation in operations.split())
        return Permission(sid, actions, resources or (self.arn,), **more)

    # CloudFormation --------------------------------------------------------------------------------------------------

    @abstractmethod
    def properties(self) -> Mapping[str, Any]:
        """Its properties there but for the tags."""

    def template(self) -> Template:
        """Its form there. `{"Ref": id}` refers to a resource."""
        tags = {"Tags": tag_list(environment_tags(self.names))} if self.tagged.lower() == "tags" else {}
        return {self.cloudformation: {**self.properties(), **tags}}

    @property
    def local_id(self) -> str:
        """Its id without what is of this environment."""
        return self.id.replace(self.names.prefixed(""), "") if self.names.prefix else self.id


def environment_tags(names: Names) -> dict[str, str]:
    """The tags of everything in an environment."""
    return {ENVIRONMENT_TAG: names.environment}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most services write them: a list of `{"Key", "Value"}`."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The tags in a list of `{"Key", "Value"}`."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def error_code(error: ClientError) -> str:
    """The error code of an answer, for example `NoSuchBucket`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def unless(codes: tuple[str, ...], read: Callable[[], T]) -> T | None:
    """The result of a read, or None where AWS answers with one of these codes."""
    try:
        return read()
    except ClientError as error:
        if error_code(error) in codes:
            return None
        raise
