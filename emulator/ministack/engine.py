"""ministack: the fast engine, which can enforce IAM and serve TLS. Functions run on its own interpreter."""

from collections.abc import Mapping
from pathlib import Path

from emulator.embedded import EmbeddedEngine, Launch
from emulator.engine import Capability
from emulator.environments import Environment
from emulator.guard.rules import ORIGINS_VARIABLE
from profiles.names import REGION

_VERSION = "1.5.33"
_HERE = Path(__file__).parent


def _variables(launch: Launch) -> Mapping[str, str]:
    options = launch.options
    return {
        "GATEWAY_LISTEN": launch.addresses,
        "MINISTACK_HOST": "localhost",
        "GATEWAY_PORT": str(launch.port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true" if options.enforce_iam else "false",
        "USE_SSL": "1" if options.tls else "0",
        "S3_DATA_DIR": str(launch.data / "s3"),
        "STATE_DIR": str(launch.data / "state"),
        # Listeners on fixed ports, of which only one engine on a machine could have them.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        **({ORIGINS_VARIABLE: ",".join(options.allowed_origins)} if options.allowed_origins else {}),
    }


MINISTACK = EmbeddedEngine(
    name="ministack",
    title="ministack",
    version=_VERSION,
    summary="starts in half a second, needs nothing but Python, and can enforce IAM",
    capabilities=frozenset(
        {
            Capability.ENFORCE_IAM,
            Capability.SERVE_TLS,
            Capability.ALLOW_ORIGINS,
            Capability.CLOUDFORMATION,  # always
            Capability.EXTRA_VARIABLES,
            Capability.ANY_PYTHON,
            Capability.NO_DOCKER,
        }
    ),
    health_path="/_ministack/health",
    python="3.11",  # that of Lambda's python3.11
    environment=Environment("ministack", f"ministack {_VERSION}", _HERE / "requirements.lock"),
    arguments=(str(_HERE / "serve.py"),),
    variables=_variables,
    certificate="tmp/ministack-tls/server.crt",
    grace_seconds=1,  # it waits for clients to close their connections
)
