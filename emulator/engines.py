"""The two engines, as values: what they are built from, how they are started, and with which settings.

An engine is started in an environment made here from nothing: of the user's variables it gets none, so no real
credentials, no endpoints, no proxies. (ministack hands its own environment to every function.)
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emulator import loopback
from emulator.environments import Environment, Package
from emulator.guard.rules import ORIGINS_VARIABLE
from profiles.errors import CannotRunError
from profiles.names import REGION

_HERE = Path(__file__).parent

# What the pipeline and its tools use; LocalStack refuses calls of any other service with 501.
_SERVICES = "cloudwatch,iam,kms,lambda,logs,s3,ses,sns,sqs,sts"


@dataclass(frozen=True)
class Settings:
    """How one engine is to run. `folder` is private to it.

    `runtimes` maps a Lambda runtime's name to a Python; `plugin` is the folder with our own package for it.
    """

    port: int
    folder: Path
    enforce_iam: bool = False
    use_tls: bool = False
    runtimes: Mapping[str, Path] = field(default_factory=dict)
    plugin: Path | None = None

    @property
    def addresses(self) -> str:
        """The addresses that it listens on: loopback, IPv4 and IPv6. `host:port`, separated by commas."""
        return ",".join(f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}" for host in loopback.hosts())

    @property
    def endpoint_url(self) -> str:
        """Where it answers; on loopback only."""
        return f"{'https' if self.use_tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def home(self) -> Path:
        """Its home folder."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """Its temporary folder."""
        return self.folder / "tmp"

    @property
    def data(self) -> Path:
        """Where it keeps its data."""
        return self.folder / "data"

    @property
    def certificate_path(self) -> Path | None:
        """The certificate that clients have to trust, where it serves TLS."""
        return self.temporary / "ministack-tls" / "server.crt" if self.use_tls else None


@dataclass(frozen=True)
class Engine:
    """An emulator: `python` is the version it runs on; where `python_required` is false, another will do.

    `runtimes` are further environments that functions run in, by the name of the Lambda runtime.
    """

    name: str
    title: str
    version: str
    python: str
    python_required: bool
    environment: Environment
    plugin: Package | None
    runtimes: Mapping[str, Environment]
    arguments: tuple[str, ...]
    variables: Callable[[Settings], Mapping[str, str]]
    can_enforce_iam: bool
    can_use_tls: bool
    stop_grace_seconds: float

    @property
    def full_title(self) -> str:
        """Name and version, for a person."""
        return f"{self.title} {self.version}"

    def command(self, python: Path) -> list[str]:
        """The command line that runs it in the foreground."""
        return [str(python), *self.arguments]

    def process_environment(self, python: Path, settings: Settings, extra: Mapping[str, str]) -> dict[str, str]:
        """The engine's whole environment: a bare one, its own settings, then `extra`."""
        bare = {
            "PATH": os.pathsep.join([str(python.parent), os.defpath.lstrip(os.pathsep)]),
            "HOME": str(settings.home),
            "TMPDIR": str(settings.temporary),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONUNBUFFERED": "1",
            "PYTHONNOUSERSITE": "1",
        }
        return {**bare, **self.variables(settings), **extra}


def _localstack_variables(settings: Settings) -> Mapping[str, str]:
    runtimes = ",".join(f"{name}={python}" for name, python in settings.runtimes.items())
    return {
        "PYTHONPATH": str(settings.plugin),
        "GATEWAY_LISTEN": settings.addresses,
        "GATEWAY_SERVER": "guarded",
        "HOSTNAME_FROM_LAMBDA": "127.0.0.1",  # else any one of them: LocalStack keeps them in a set
        "LOCALSTACK_HOST": f"localhost:{settings.port}",
        "SERVICES": _SERVICES,
        "FILESYSTEM_ROOT": str(settings.data),
        "LOCALSTACK_VOLUME_DIR": str(settings.data),
        # Without these three a start without network takes 28 s.
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "DNS_ADDRESS": "0",
        "SQS_DISABLE_CLOUDWATCH_METRICS": "1",
        "SQS_ENDPOINT_STRATEGY": "path",
        # AWS's own 60 s rules for re-creating and purging queues.
        "SQS_DELAY_RECENTLY_DELETED": "1",
        "SQS_DELAY_PURGE_RETRY": "1",
        # LocalStack's defaults (1 s, then up to 10 s) cap the flow at about 9 ticks/s.
        "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.01",
        "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.2",
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "LAMBDA_PROCESS_PYTHON": runtimes,
    }


def _ministack_variables(settings: Settings) -> Mapping[str, str]:
    return {
        "GATEWAY_LISTEN": settings.addresses,
        "MINISTACK_HOST": "localhost",
        "GATEWAY_PORT": str(settings.port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true" if settings.enforce_iam else "false",
        "USE_SSL": "1" if settings.use_tls else "0",
        "S3_DATA_DIR": str(settings.data / "s3"),
        "STATE_DIR": str(settings.data / "state"),
        # Listeners on fixed ports, of which only one engine on a machine could have them.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }


LOCALSTACK = Engine(
    name="localstack",
    title="LocalStack",
    version="4.14.0",
    python="3.13",
    python_required=True,
    environment=Environment("localstack", "LocalStack 4.14.0", _HERE / "localstack" / "requirements.lock"),
    plugin=Package("localstack-plugin", "the Lambda executor and the guard", (_HERE / "localstack", _HERE / "guard")),
    runtimes={
        "python3.11": Environment("python3.11", "Lambda's python3.11", _HERE / "runtime" / "requirements.lock"),
    },
    arguments=("-m", "localstack.runtime.main"),
    variables=_localstack_variables,
    can_enforce_iam=False,
    can_use_tls=False,
    # Once a mapping has polled, its own shutdown takes up to 31 s; there is nothing that it would save in that time.
    stop_grace_seconds=2,
)

MINISTACK = Engine(
    name="ministack",
    title="ministack",
    version="1.5.33",
    python="3.11",  # its functions run on its own interpreter, and theirs is python3.11
    python_required=False,
    environment=Environment("ministack", "ministack 1.5.33", _HERE / "ministack" / "requirements.lock"),
    plugin=None,
    runtimes={},
    arguments=("-P", str(_HERE / "ministack" / "serve.py")),  # -P: none of our folders on its path
    variables=_ministack_variables,
    can_enforce_iam=True,
    can_use_tls=True,
    stop_grace_seconds=1,  # it waits for clients to close their connections
)

ENGINES: Mapping[str, Engine] = {engine.name: engine for engine in (LOCALSTACK, MINISTACK)}


def options(
    *, allowed_origins: Sequence[str] = (), cloudformation: bool = False, function_limits: bool = True
) -> dict[str, str]:
    """Variables of an engine for the options that a user gives. ministack always has CloudFormation."""
    return {
        **({ORIGINS_VARIABLE: ",".join(allowed_origins)} if allowed_origins else {}),
        **({"SERVICES": f"{_SERVICES},cloudformation"} if cloudformation else {}),
        **({} if function_limits else {"LAMBDA_PROCESS_ENFORCE_LIMITS": "0"}),
    }


def engine_named(name: str) -> Engine:
    """The engine of that name. Raises `CannotRunError`."""
    try:
        return ENGINES[name]
    except KeyError:
        raise CannotRunError(f"there is no engine {name!r}; there are: {', '.join(ENGINES)}") from None
