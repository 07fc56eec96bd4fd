"""Embedded LocalStack: the reference engine. Functions run in processes of their own, by our executor."""

from collections.abc import Mapping
from pathlib import Path

from emulator.embedded import EmbeddedEngine, Launch
from emulator.engine import Capability, Options
from emulator.environments import Environment, Package
from emulator.guard.rules import ORIGINS_VARIABLE

VERSION = "4.14.0"
_HERE = Path(__file__).parent

# What the pipeline and its tools use; LocalStack refuses calls of any other service with 501.
_SERVICES = "cloudwatch,iam,kms,lambda,logs,s3,ses,sns,sqs,sts"


def option_variables(options: Options) -> dict[str, str]:
    """LocalStack's variables for what the user asks; also in a container."""
    return {
        **({ORIGINS_VARIABLE: ",".join(options.allowed_origins)} if options.allowed_origins else {}),
        **({"SERVICES": f"{_SERVICES},cloudformation"} if options.cloudformation else {}),
        **({} if options.function_limits else {"LAMBDA_PROCESS_ENFORCE_LIMITS": "0"}),
    }


def _variables(launch: Launch) -> Mapping[str, str]:
    return {
        "PYTHONPATH": str(launch.package),
        "GATEWAY_LISTEN": launch.addresses,
        "GATEWAY_SERVER": "guarded",
        "HOSTNAME_FROM_LAMBDA": "127.0.0.1",  # else any one of them: LocalStack keeps them in a set
        "LOCALSTACK_HOST": f"localhost:{launch.port}",
        "SERVICES": _SERVICES,
        "FILESYSTEM_ROOT": str(launch.data),
        "LOCALSTACK_VOLUME_DIR": str(launch.data),
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
        "LAMBDA_PROCESS_PYTHON": ",".join(f"{name}={python}" for name, python in launch.runtimes.items()),
        **option_variables(launch.options),
    }


LOCALSTACK = EmbeddedEngine(
    name="localstack",
    title="LocalStack",
    version=VERSION,
    summary="is the reference (it needs a Python 3.13, found or fetched)",
    capabilities=frozenset(
        {
            Capability.ALLOW_ORIGINS,
            Capability.CLOUDFORMATION,
            Capability.LIMIT_FUNCTIONS,
            Capability.EXTRA_VARIABLES,
            Capability.NO_DOCKER,
        }
    ),
    health_path="/_localstack/health",
    python="3.13",
    environment=Environment("localstack", f"LocalStack {VERSION}", _HERE / "requirements.lock"),
    package=Package("localstack-plugin", "the Lambda executor and the guard", (_HERE, _HERE.parent / "guard")),
    runtimes={
        "python3.11": Environment("python3.11", "Lambda's python3.11", _HERE.parent / "runtime" / "requirements.lock"),
    },
    arguments=("-m", "localstack.runtime.main"),
    variables=_variables,
    # Once a mapping has polled, its own shutdown takes up to 31 s; there is nothing that it would save in that time.
    grace_seconds=2,
)
