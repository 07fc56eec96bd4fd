"""LocalStack in a container, started by `docker compose` and inspected through the Docker SDK.

Only the service `localstack` of docker-compose.yml is started, so this engine starts in the same state as the
others: it has no resources yet. Each port is a compose project of its own; that of the default port is
the one that `docker compose up` in the checkout makes. Containers are recognised by their label, whoever started them.
"""

import os
import shutil
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulator import loopback
from emulator.engine import DEFAULT_PORT, Capability, Engine, MissingError, Observer, Options, Running, Status, silent
from emulator.guard.rules import ORIGINS_VARIABLE
from emulator.inherited import DOCKER, inherited
from emulator.localstack.engine import LOCALSTACK, VERSION, option_variables
from profiles.errors import CannotRunError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

PROJECT = "stockpipe"
FOLDER = Path(__file__).parent.parent  # where docker-compose.yml is, in a checkout

# The variables of docker-compose.yml that set the container's variables.
_VARIABLES = {
    ORIGINS_VARIABLE: "STOCKPIPE_ALLOW_ORIGIN",
    "SERVICES": "STOCKPIPE_SERVICES",
    "LAMBDA_PROCESS_ENFORCE_LIMITS": "STOCKPIPE_FUNCTION_LIMITS",
}
_LABEL = "stockpipe.emulator=localstack"
_PROJECT_LABEL = "com.docker.compose.project"


@dataclass(frozen=True)
class Stack:
    """A LocalStack container of ours. `state`: running (and ready), starting, or gone (it ended).

    `environment` are its variables, as `NAME=value`.
    """

    project: str
    container: str
    port: int
    state: str
    version: str = ""
    environment: frozenset[str] = frozenset()

    @property
    def status(self) -> Status:
        """The stack as an engine on a port of loopback."""
        return Status(self.port, self.state, COMPOSE.name, self.version, f"http://127.0.0.1:{self.port}")


class ComposeEngine(Engine):
    """LocalStack in a container. Images are built on first use."""

    def require(self, observer: Observer = silent, *, fetch: bool = True) -> None:  # noqa: ARG002
        """Raise `MissingError` where no Docker engine answers or Compose is not installed."""
        with closing(connect()):
            _require_compose()

    def start(self, port: int, options: Options, observer: Observer) -> Running:
        """Run `docker compose up`, unless the container is ready already."""
        self.require()
        stack, variables = find(port), option_variables(options)
        was_running = stack is not None and stack.state == "running"
        if stack is None:
            loopback.require_free(port)
        elif was_running and not stack.environment >= {f"{name}={value}" for name, value in variables.items()}:
            raise CannotRunError(
                f"{self.title} runs on port {port} with other settings. Stop it first (stockpipe emulator stop --port "
                f"{port}), or choose another --port"
            )
        if not was_running:
            _compose(project_of(port), port, ["up", "--detach", "--wait", "localstack"], observer, variables)
            stack = find(port)
        if stack is None or stack.state != "running":
            raise CannotRunError(
                f"{self.title} was started, but isn't ready. Its log: stockpipe emulator logs --port {port}"
            )
        return Running(**vars(stack.status), already_running=was_running, container=stack.container)

    def stop(self, port: int, observer: Observer) -> bool:
        """Remove every container, network and volume of the project on `port`."""
        stack = find(port)
        if stack is None:
            return False
        _compose(stack.project, port, ["--profile", "*", "down", "--volumes", "--remove-orphans"], observer)
        return True

    def status(self) -> list[Status]:
        """All stacks of the Docker engine; none where no Docker engine answers."""
        return [stack.status for stack in stacks()]

    def logs(self, port: int, *, follow: bool) -> Iterator[str] | None:
        """What the container printed."""
        stack = find(port)
        return _lines(stack, follow=follow) if stack else None


COMPOSE = ComposeEngine(
    name="compose",
    title="LocalStack in a container",
    version=VERSION,
    summary="is LocalStack in a container, for those who have Docker",
    capabilities=LOCALSTACK.capabilities - {Capability.NO_DOCKER, Capability.EXTRA_VARIABLES} | {Capability.ANY_PYTHON},
)


def find(port: int) -> Stack | None:
    """The stack on `port`. None where there is none, or no Docker engine."""
    return next((stack for stack in stacks() if stack.port == port), None)


def stacks() -> list[Stack]:
    """All stacks on this engine; none where no Docker engine answers."""
    try:
        with closing(connect()) as client:
            containers = client.containers.list(all=True, filters={"label": _LABEL})
            return [stack for container in containers if (stack := _stack(container))]
    except CannotRunError:
        return []


def _lines(stack: Stack, *, follow: bool) -> Iterator[str]:
    with closing(connect()) as client:
        container = client.containers.get(stack.container)
        rest = ""
        for chunk in container.logs(stream=True, follow=follow):
            *lines, rest = (rest + chunk.decode("utf-8", "replace")).split("\n")
            yield from lines
        if rest:
            yield rest


def project_of(port: int) -> str:
    """Name of the compose project on `port`; `COMPOSE_PROJECT_NAME` is Compose's own variable and wins."""
    own = os.environ.get("COMPOSE_PROJECT_NAME")
    return own or (PROJECT if port == DEFAULT_PORT else f"{PROJECT}-{port}")


def _stack(container: "Container") -> Stack | None:
    settings = container.attrs["HostConfig"]["PortBindings"] or {}
    bindings = settings.get("4566/tcp") or []
    if not bindings:
        return None
    state = container.attrs["State"]
    health = state.get("Health", {}).get("Status")
    image = str(container.attrs["Config"]["Image"])
    return Stack(
        project=container.labels.get(_PROJECT_LABEL, ""),
        container=container.name or "",
        port=int(bindings[0]["HostPort"]),
        state="gone" if not state["Running"] else "running" if health == "healthy" else "starting",
        version=image.rpartition(":")[2],
        environment=frozenset(container.attrs["Config"]["Env"] or ()),
    )


def connect() -> "DockerClient":
    """A client of an engine that answers. Raises `MissingError`."""
    import docker  # noqa: PLC0415 - takes 130 ms, which every command would pay

    address = _address()
    try:
        client = docker.DockerClient(base_url=address) if address else docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        where = f" at {address}" if address else ""
        raise MissingError(
            f"no Docker engine answers{where}: {_reason(error)}. Start one (Docker, Colima: colima start, Podman: "
            "podman machine start)",
            Capability.NO_DOCKER,
        ) from error
    return client


def _reason(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _address() -> str | None:
    """Where the `docker` command would go: the SDK knows DOCKER_HOST, but not the contexts of Colima and others."""
    if os.environ.get("DOCKER_HOST") or not shutil.which("docker"):
        return os.environ.get("DOCKER_HOST")
    command = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, env=inherited(*DOCKER))
    return asked.stdout.strip() or None


def _require_compose() -> None:
    if not (FOLDER / "docker-compose.yml").exists():
        raise CannotRunError(
            f"--engine {COMPOSE.name} works in a checkout of stockpipe only: there is no docker-compose.yml"
        )
    try:
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True, env=inherited(*DOCKER))
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingError(
            "a Docker engine answers, but the command 'docker compose' doesn't work: install Compose 2",
            Capability.NO_DOCKER,
        ) from error


def _compose(
    project: str, port: int, arguments: list[str], observer: Observer, options: Mapping[str, str] | None = None
) -> None:
    """Run `docker compose` in the checkout, passing its lines on. Raises `CannotRunError` with the last ones."""
    command = ["docker", "compose", "--progress", "plain", "--project-name", project, *arguments]
    chosen = {_VARIABLES[name]: value for name, value in (options or {}).items()}
    environ = {**inherited(*DOCKER), "STOCKPIPE_PORT": str(port), **chosen}
    last: deque[str] = deque(maxlen=4)
    with subprocess.Popen(
        command, cwd=FOLDER, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        for line in filter(None, map(str.strip, process.stdout or ())):
            last.append(line)
            observer(f"docker compose: {line}")
    if process.returncode:
        raise CannotRunError(f"docker compose {' '.join(arguments)} failed: {' | '.join(last)}")
