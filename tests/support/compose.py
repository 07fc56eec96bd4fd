"""`docker compose` in the checkout, for one project of a test's own."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.compose import connect
from profiles.session import Aws, open_endpoint
from tests.conftest import find_free_port

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv" / "bin"


@dataclass(frozen=True)
class Compose:
    """A compose project on a port. `override` is a further compose file."""

    project: str
    port: int
    override: Path | None = None
    console_port: int = field(default_factory=find_free_port)

    @property
    def endpoint_url(self) -> str:
        """Where its LocalStack answers, seen from the host."""
        return f"http://localhost:{self.port}"

    @property
    def aws(self) -> Aws:
        """Clients of it, on the host."""
        return open_endpoint(self.endpoint_url)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `docker compose …` and return its result, with its output in the error if it must succeed and doesn't."""
        files = ["--file", str(ROOT / "docker-compose.yml")]
        if self.override:
            files += ["--file", str(self.override)]
        command = ["docker", "compose", "--project-name", self.project, *files, *arguments]
        environ = {
            **os.environ,
            "STOCKPIPE_PORT": str(self.port),
            "STOCKPIPE_CONSOLE_PORT": str(self.console_port),
        }
        result = subprocess.run(command, cwd=ROOT, env=environ, text=True, capture_output=True, check=False)
        if check:
            assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
        return result

    def states(self) -> dict[str, tuple[str, int]]:
        """State (running, exited, created …) and exit code of each service's container."""
        lines = self.run("--profile", "*", "ps", "--all", "--format", "json").stdout.splitlines()
        return {one["Service"]: (one["State"], one["ExitCode"]) for one in map(json.loads, lines)}

    def container(self, service: str = "localstack") -> Any:
        """The container of a service, as the Docker SDK sees it."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        (found,) = connect().containers.list(all=True, filters={"label": labels})
        return found

    def left_behind(self) -> list[str]:
        """Containers, networks and volumes that carry the project's label."""
        client = connect()
        label: Any = {"label": f"com.docker.compose.project={self.project}"}
        containers = client.containers.list(all=True, filters=label)
        found: list[Any] = [*containers, *client.networks.list(filters=label), *client.volumes.list(filters=label)]
        return [one.name for one in found]

    def down(self) -> None:
        """Remove all of it."""
        self.run("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "15")


def on_host(compose: Compose, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of the virtual environment against it, as a user does after two exports."""
    environ = {
        **os.environ,
        "AWS_ENDPOINT_URL": compose.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-2",
    }
    program = [str(BIN / command[0]), *command[1:]]
    return subprocess.run(program, cwd=ROOT, env=environ, text=True, capture_output=True, check=False)


def count_stored(aws: Aws, bucket: str) -> int:
    """Number of records in the bucket; 0 if there is no such bucket."""
    try:
        pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="processed/")
        return sum(page["KeyCount"] for page in pages)
    except aws.s3.exceptions.NoSuchBucket:
        return 0
