"""Settings, each declared once: a field of a frozen dataclass with its help, unit, range and AWS's page.

Command-line options, environment variables, the function's variables, rules and the docs' table follow from it. The
function's own settings (`FunctionSettings` and a pipeline's subclass) also name the function's environment variable:
`written` gives the variables, and the function reads them with `FunctionEnvironment.read`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar, get_args, get_type_hints

# The metadata of a setting's field.
SETTING = "setting"
Number = int | float


@dataclass(frozen=True)
class Setting:
    """What is known about a setting.

    `flag` is the command-line option. `above`, `least` and `most` are the range, `choices` the only values; `expected`
    says it in words. `aws_says` is AWS's answer to another value, `page` where AWS documents it. `variable` is the
    function's environment variable.
    """

    flag: str
    help: str
    expected: str = ""
    above: Number | None = None
    least: Number | None = None
    most: Number | None = None
    choices: tuple[Any, ...] = ()
    aws_says: str = ""
    page: str = ""
    variable: str = ""

    def allows(self, value: Any) -> bool:
        """Whether a value is in range. None, for a setting that is not set, is always."""
        if value is None:
            return True
        if self.choices:
            return value in self.choices
        if isinstance(value, str):
            return True
        return (
            (isinstance(value, int) or math.isfinite(value))
            and (self.above is None or value > self.above)
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
        )

    @property
    def range_in_words(self) -> str:
        """`1 to 900`, `one of …`, or the given words; nothing where every value is allowed."""
        if self.expected:
            return self.expected
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.above is not None:
            return f"above {self.above}"
        if self.most is None:
            return "" if self.least is None else f"{self.least} or more"
        return f"{self.least} to {self.most}"


def setting(default: Any, flag: str, help: str, **about: Any) -> Any:  # noqa: A002 - what it is
    """A field of a settings class."""
    return field(default=default, metadata={SETTING: Setting(flag, help, **about)})


def settings_of(owner: Any) -> dict[str, Setting]:
    """The settings of a settings class, or of an instance, by field name."""
    return {one.name: one.metadata[SETTING] for one in fields(owner) if SETTING in one.metadata}


class ConfigurationError(ValueError):
    """An environment variable is missing or wrong. The text names it; Lambda shows it as the function's init error."""


@dataclass(frozen=True)
class FunctionSettings:
    """What every pipeline's function can be told. A pipeline adds its own in a subclass."""

    alert_cooldown_seconds: int = setting(
        60,
        "--alert-cooldown",
        "One alert per rule and group in each window of this many seconds; 0 = one per record.",
        expected="a whole number of seconds, 0 or more",
        least=0,
        aws_says="nothing: the function would not start",
        variable="ALERT_COOLDOWN_SECONDS",
    )
    object_layout: str = setting(
        "record",
        "--object-layout",
        "'record': an object per record. 'batch': one per group and batch.",
        choices=("record", "batch"),
        aws_says="nothing: the function would not start",
        variable="OBJECT_LAYOUT",
    )
    log_level: str = setting(
        "INFO",
        "--log-level",
        "What the function logs.",
        choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        aws_says="nothing, and then the function could not start its logger",
        page="https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html",
        variable="POWERTOOLS_LOG_LEVEL",
    )

    def written(self) -> dict[str, str]:
        """The settings as environment variables; one that isn't set has none."""
        return {
            about.variable: _plain(value)
            for name, about in settings_of(self).items()
            if (value := getattr(self, name)) is not None
        }


S = TypeVar("S", bound=FunctionSettings)


@dataclass(frozen=True)
class FunctionEnvironment(Generic[S]):
    """What the function is told through its environment variables: the bucket, the alert topic, and its settings."""

    bucket: str
    topic_arn: str
    settings: S

    @classmethod
    def read(cls, variables: Mapping[str, str], settings: type[S]) -> "FunctionEnvironment[S]":
        """Read and check them all. Raises `ConfigurationError`."""
        hints = get_type_hints(settings)
        given = {
            name: _read(about, variables[about.variable], hints[name])
            for name, about in settings_of(settings).items()
            if about.variable in variables
        }
        return cls(_required(variables, "BUCKET"), _required(variables, "SNS_TOPIC_ARN"), settings(**given))

    def written(self) -> dict[str, str]:
        """The environment variables."""
        return {"BUCKET": self.bucket, "SNS_TOPIC_ARN": self.topic_arn, **self.settings.written()}


def _required(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "").strip()
    if not value:
        raise ConfigurationError(f"environment variable {name} is missing")
    return value


def _read(about: Setting, text: str, hint: Any) -> Any:
    kinds = (hint, *get_args(hint))
    value: Any = text
    if float in kinds:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
    elif int in kinds:
        value = int(text) if text.isascii() and text.isdigit() else math.nan
    if not about.allows(value):
        raise ConfigurationError(f"environment variable {about.variable}={text!r} is not {about.range_in_words}")
    return value


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
