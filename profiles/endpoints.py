"""Which endpoint each service's requests go to, and which access keys may go there.

Two rules hold for every request: AWS is reached with TLS and with keys that AWS could have issued; an emulator gets
keys that are known to be dummies. `resolve` applies them to a configuration before anything is sent, so that the
message can name the setting. `guard` applies them to each request just before it is sent, whatever was configured.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest

from profiles.errors import ProfileError

# Every service that is called, by botocore's name, with its name in AWS_ENDPOINT_URL_<NAME> and in services sections:
# https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html
SERVICES: Mapping[str, str] = {
    **{name: name for name in ("athena", "cloudformation", "cloudwatch", "glue", "iam", "lambda", "s3", "sns", "sqs")},
    "logs": "cloudwatch_logs",
    "sts": "sts",
    # botocore itself calls these for credentials.
    "signin": "signin",
    "sso": "sso",
    "sso-oidc": "sso_oidc",
}

DUMMY_KEY = "test"

# What an emulator may get. LocalStack and ministack take 12 digits as the account id.
_DUMMY_KEYS = re.compile(rf"{DUMMY_KEY}|[0-9]{{12}}")

# What AWS may get: keys of IAM users and temporary keys. Their length isn't fixed (16 to 128 characters):
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
_AWS_KEYS = re.compile(r"(AKIA|ASIA)[A-Z0-9]{12,124}")

# AWS's own domains; the last one has the sign-in service. Only AWS has certificates for the hosts below them.
_AWS_DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "aws.amazon.com")

# Parsers read anything else in a URL (a user, a query, a backslash) in different ways.
_PLAIN_URL = re.compile(
    r"https?://(\[[0-9a-f:.]+\]|[a-z0-9-]+(\.[a-z0-9-]+)*\.?)(:[0-9]+)?(/[\w.~/-]*)?", re.IGNORECASE | re.ASCII
)

# Settings of a profile that are read here and in `profiles.session`. botocore makes a mapping of indented lines.
_SINGLE_VALUES = ("region", "endpoint_url", "services", "ignore_configured_endpoint_urls", "aws_access_key_id")

_SIGNING_KEY = re.compile(r"Credential=([^/]*)/|^AWS ([^:]*):")  # signature versions 4 and 2


@dataclass(frozen=True)
class Endpoint:
    """Where a service answers: `url` None is AWS's default. `source` is the setting that says so."""

    service: str
    url: str | None
    source: str

    def __str__(self) -> str:
        return f"{self.url} ({self.source})" if self.url else f"AWS ({self.source})"

    @property
    def is_aws(self) -> bool:
        """Whether it is AWS. Raises `ProfileError` where the URL can't be read, or is AWS without TLS."""
        if self.url is None:
            return True
        require_plain_url(self.url, self.source)
        if is_aws_host(urlsplit(self.url).hostname) and urlsplit(self.url).scheme != "https":
            raise ProfileError(f"{self} is AWS without TLS: use https")
        return is_aws_host(urlsplit(self.url).hostname)


def is_aws_host(host: str | None) -> bool:
    """Whether a host name belongs to AWS."""
    return f".{(host or '').lower().removesuffix('.')}".endswith(tuple(f".{domain}" for domain in _AWS_DOMAINS))


def is_dummy_key(access_key_id: str) -> bool:
    """Whether an emulator may get this access key id."""
    return bool(_DUMMY_KEYS.fullmatch(access_key_id))


def is_aws_key(access_key_id: str) -> bool:
    """Whether AWS could have issued this access key id."""
    return bool(_AWS_KEYS.fullmatch(access_key_id))


def require_plain_url(url: str, source: str) -> None:
    """Raise `ProfileError` unless `url` is scheme, host, port and path, and nothing else."""
    try:
        if _PLAIN_URL.fullmatch(url) and urlsplit(url).port != 0:
            return
    except ValueError:  # a port above 65535, or no IPv6 address in the brackets
        pass
    raise ProfileError(f"{url!r} ({source}) isn't a plain http or https address such as http://localhost:4566")


def resolve(
    name: str, settings: Mapping[str, Any], sections: Mapping[str, Any], environ: Mapping[str, str]
) -> Endpoint:
    """The one endpoint of all services with the profile `name`; `url` None is AWS.

    `settings` are the profile's, `sections` the services sections of the same files. Raises `ProfileError` where some
    services would go to AWS and others not, or to several emulators.
    """
    for setting in _SINGLE_VALUES:
        if not isinstance(settings.get(setting, ""), str):
            raise ProfileError(f"profile {name} needs the value of {setting} on the same line")
    first, *others = _configured(name, settings, sections, environ)
    for other in others:
        if first.is_aws != other.is_aws or not (first.is_aws or first.url == other.url):
            raise ProfileError(
                f"profile {name} mixes endpoints: {first.service} goes to {first}, and {other.service} to "
                f"{other}. Remove one of these settings, so that all services go to AWS, or all to one emulator"
            )
    return Endpoint(first.service, None, first.source) if first.is_aws else first


def _configured(
    name: str, settings: Mapping[str, Any], sections: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterator[Endpoint]:
    """The endpoint of each service, looked up as botocore does."""
    ignored = environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", settings.get("ignore_configured_endpoint_urls", ""))
    section = settings.get("services")
    title = f"section [services {section}]"
    if section and not sections.get(section):
        raise ProfileError(f"profile {name} names {title}, which doesn't exist")
    for service, settings_id in SERVICES.items():
        of_service = sections[section].get(settings_id, {}) if section else {}
        if not isinstance(of_service, Mapping):
            raise ProfileError(f"{title} has no endpoint_url on a line of its own below {settings_id} =")
        variable = f"AWS_ENDPOINT_URL_{settings_id.upper()}"
        places = (
            (environ.get(variable), f"variable {variable}"),
            (environ.get("AWS_ENDPOINT_URL"), "variable AWS_ENDPOINT_URL"),
            (of_service.get("endpoint_url"), title),
            (settings.get("endpoint_url"), f"profile {name}"),
        )
        found = (Endpoint(service, url, source) for url, source in places if url and ignored.lower() != "true")
        yield next(found, Endpoint(service, None, "the default"))


def guard(name: str, url: str | None) -> Callable[..., None]:
    """A handler of botocore's event `before-send`, for the profile `name` at `url` (None: AWS).

    It raises `ProfileError` before a request is sent to another place.
    """

    def check(request: AWSPreparedRequest, **_: Any) -> None:
        to = urlsplit(request.url)
        if _origin(request.url) != _origin(url) if url else to.scheme != "https" or not is_aws_host(to.hostname):
            raise ProfileError(
                f"profile {name} is for {url or 'AWS'}, but a request was for {to.scheme}://{to.netloc}. "
                "It was not sent: see the AWS configuration and the AWS_* variables"
            )
        key = _signing_key(request)
        if not url and key is not None and not is_aws_key(key):
            raise ProfileError(
                f"profile {name} signed a request with the key {key!r}, which AWS can't have issued. The request was "
                "not sent: see source_profile or credential_source of the profile"
            )

    return check


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _signing_key(request: AWSPreparedRequest) -> str | None:
    said = request.headers.get("Authorization", "")
    found = _SIGNING_KEY.search(said.decode() if isinstance(said, bytes) else said)
    return (found[1] or found[2]) if found else None
