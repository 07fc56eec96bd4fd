"""What the compose files say, as Compose reads them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from emulator.embedded import Launch
from emulator.localstack.engine import LOCALSTACK
from tests.support.compose import ROOT


def configuration(*files: str, **variables: str) -> dict[str, Any]:
    """What Compose makes of the files and the user's variables, with all profiles."""
    named = [argument for file in files for argument in ("--file", file)]
    command = ["docker", "compose", *named, "--profile", "*", "config", "--format", "json"]
    answer = subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=True, capture_output=True, text=True)
    services: dict[str, Any] = json.loads(answer.stdout)["services"]
    return services


def test_by_default_nothing_is_mounted_from_the_host_and_every_port_is_on_loopback() -> None:
    services = configuration("docker-compose.yml")

    assert set(services) >= {"localstack", "bootstrap", "producer"}
    for name, service in services.items():
        assert all(volume["type"] == "volume" for volume in service.get("volumes", [])), name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert int(service["mem_limit"]) > 0, name


def test_the_classic_override_mounts_the_socket_and_takes_our_executor_out() -> None:
    localstack = configuration("docker-compose.yml", "docker-compose.classic.yml")["localstack"]

    assert [volume["source"] for volume in localstack["volumes"]] == ["/var/run/docker.sock"]
    assert localstack["environment"]["LAMBDA_RUNTIME_EXECUTOR"] == "docker"


def test_functions_in_containers_call_localstack_by_the_name_that_its_guard_allows() -> None:
    environment = configuration("docker-compose.yml", "docker-compose.classic.yml")["localstack"]["environment"]

    assert environment["HOSTNAME_FROM_LAMBDA"] == environment["STOCKPIPE_ALLOW_HOST"] == "localstack"


def test_an_origin_and_further_services_are_the_users_choice() -> None:
    by_default = configuration("docker-compose.yml")["localstack"]["environment"]
    chosen = configuration(
        "docker-compose.yml",
        STOCKPIPE_ALLOW_ORIGIN="https://app.example",
        STOCKPIPE_SERVICES="s3,cloudformation",
        STOCKPIPE_FUNCTION_LIMITS="0",
    )["localstack"]["environment"]

    assert by_default["EXTRA_CORS_ALLOWED_ORIGINS"] == ""
    assert "cloudformation" not in by_default["SERVICES"]
    assert (by_default["LAMBDA_PROCESS_ENFORCE_LIMITS"], chosen["LAMBDA_PROCESS_ENFORCE_LIMITS"]) == ("1", "0")
    assert (chosen["EXTRA_CORS_ALLOWED_ORIGINS"], chosen["SERVICES"]) == ("https://app.example", "s3,cloudformation")


def test_localstack_has_the_settings_that_it_has_embedded() -> None:
    inside = configuration("docker-compose.yml")["localstack"]["environment"]
    embedded = LOCALSTACK.variables(Launch(4566, Path("/any"), runtimes={"python3.11": Path("/any")}))
    of_the_machine = {  # addresses and folders; the executor and the guard are set in the image
        *(
            "GATEWAY_SERVER",
            "HOSTNAME_FROM_LAMBDA",
            "GATEWAY_LISTEN",
            "PYTHONPATH",
            "FILESYSTEM_ROOT",
            "LOCALSTACK_VOLUME_DIR",
        ),
        *("LAMBDA_RUNTIME_EXECUTOR", "LAMBDA_PROCESS_PYTHON"),
    }

    assert {key: inside.get(key) for key in embedded if key not in of_the_machine} == {
        key: value for key, value in embedded.items() if key not in of_the_machine
    }
