"""The third engine: LocalStack in a container, driven through `docker compose` and looked at through the Docker SDK.

Only the service `localstack` of docker-compose.yml is started, so that the engine means the same as the others: AWS
answers at the port, and has no resources yet. Each port is a compose project of its own; that of the default port is
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

from emulator.guard.rules import ORIGINS_VARIABLE
from emulator.identity import identify
from emulator.inherited import DOCKER, inherited
from emulator.lifecycle import DEFAULT_PORT
from emulator.state import Observer
from profiles.errors import CannotRunError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

NAME = "compose"
TITLE = "LocalStack in a container"
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
_INSTEAD = "or use --engine localstack or ministack, which need no Docker"


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
    def endpoint_url(self) -> str:
        """Where it answers; on loopback only."""
        return f"http://127.0.0.1:{self.port}"


def start(port: int, options: Mapping[str, str], observer: Observer) -> Stack:
    """Start LocalStack in a container on loopback `port` and return when it is ready for calls.

    `options` are variables of its environment, as an embedded engine gets them (`emulator.engines.options`); in
    docker-compose.yml each has a variable of the user's. Images are built on first use.

    Raises `CannotRunError` in one line: no engine, no Compose, other settings, or Compose's last lines.
    """
    with closing(connect()):
        _require_compose()
    running = find(port)
    if running is None and (other := identify(f"http://127.0.0.1:{port}")):
        raise CannotRunError(
            f"{TITLE} can't start: port {port} is taken, {other} answers there. Stop it, or choose another --port"
        )
    if running is None or running.state != "running":
        _compose(project_of(port), port, ["up", "--detach", "--wait", "localstack"], observer, options)
    elif not running.environment >= {f"{name}={value}" for name, value in options.items()}:
        raise CannotRunError(
            f"{TITLE} runs on port {port} with other settings. Stop it first (stockpipe emulator stop --port {port}), "
            "or choose another --port"
        )
    stack = find(port)
    if stack is None or stack.state != "running":
        raise CannotRunError(f"{TITLE} was started, but isn't ready. Its log: stockpipe emulator logs --port {port}")
    return stack


def stop(port: int, observer: Observer) -> bool:
    """Remove every container, network and volume of the project on `port`; False if there is none."""
    stack = find(port)
    if stack is None:
        return False
    down = ["--profile", "*", "down", "--volumes", "--remove-orphans"]
    _compose(stack.project, port, down, observer)
    return True


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


def logs(stack: Stack, *, follow: bool = False) -> Iterator[str]:
    """The lines that LocalStack printed; with `follow`, further ones as they come, until it ends."""
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
    """A client of an engine that answers. Raises `CannotRunError`."""
    import docker  # noqa: PLC0415 - takes 130 ms, which every command would pay

    address = _address()
    try:
        client = docker.DockerClient(base_url=address) if address else docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        where = f" at {address}" if address else ""
        raise CannotRunError(
            f"no Docker engine answers{where}: {_reason(error)}. Start one (Docker, Colima: colima start, Podman: "
            f"podman machine start), {_INSTEAD}"
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
    asked = subprocess.run(command, capture_output=True, text=True, check=False, env=inherited(further=DOCKER))
    return asked.stdout.strip() or None


def _require_compose() -> None:
    if not (FOLDER / "docker-compose.yml").exists():
        raise CannotRunError(f"--engine {NAME} works in a checkout of stockpipe only: there is no docker-compose.yml")
    try:
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True, env=inherited(further=DOCKER))
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRunError(
            f"a Docker engine answers, but the command 'docker compose' doesn't work: install Compose 2, {_INSTEAD}"
        ) from error


def _compose(
    project: str, port: int, arguments: list[str], observer: Observer, options: Mapping[str, str] | None = None
) -> None:
    """Run `docker compose` in the checkout, passing its lines on. Raises `CannotRunError` with the last ones."""
    command = ["docker", "compose", "--progress", "plain", "--project-name", project, *arguments]
    chosen = {_VARIABLES[name]: value for name, value in (options or {}).items()}
    environ = {**inherited(further=DOCKER), "STOCKPIPE_PORT": str(port), **chosen}
    last: deque[str] = deque(maxlen=4)
    with subprocess.Popen(
        command, cwd=FOLDER, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        for line in filter(None, map(str.strip, process.stdout or ())):
            last.append(line)
            observer(f"docker compose: {line}")
    if process.returncode:
        raise CannotRunError(f"docker compose {' '.join(arguments)} failed: {' | '.join(last)}")
