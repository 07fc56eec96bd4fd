"""This machine: its Python, Docker, and its clock compared with the endpoint's."""

import platform
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import docker
from docker.errors import DockerException

from emulator import lifecycle
from emulator.engines import engine_named
from operations.doctor.check import Check, failed, info, ok, warning
from profiles.session import Aws

_DOCKER_SECONDS = 2
# AWS refuses a signature that is five minutes off ("Signature expired").
# https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
_REFUSED_SECONDS = 300
_NOTICEABLE_SECONDS = 3  # the endpoint's Date header has whole seconds


def python() -> Check:
    """Which Python runs this, and whether the default engine can run on this machine."""
    here, engine = f"Python {platform.python_version()}", engine_named(lifecycle.DEFAULT_ENGINE)
    if missing := lifecycle.available(engine.name, fetch=False):
        return info(f"{here}; {engine.title} can't run here", missing)
    return ok(f"{here}; {engine.title} can run here")


def docker_engine() -> Check:
    """Whether Docker answers. It is needed for `docker compose up` only, so this is never a fault."""
    try:
        client = docker.from_env(timeout=_DOCKER_SECONDS)
        try:
            version = client.version().get("Version", "")
        finally:
            client.close()
    except DockerException:
        return info("no engine answers; only `docker compose up` needs one")
    return info(f"engine {version}")


def clock(aws: Aws, now: Callable[[], float] = time.time) -> Check:
    """This machine's clock against the endpoint's Date header, both in seconds since 1970."""
    before = now()
    headers = aws.sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
    after = now()
    if "date" not in headers:
        return info("the endpoint doesn't tell its time")
    theirs = parsedate_to_datetime(headers["date"]).timestamp()
    # The answer was made between the two looks at our clock; its time is cut to whole seconds.
    ahead = max(before - theirs - 1, 0) - max(theirs - after, 0)
    found = f"this machine's clock is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} the endpoint's"
    fix = "set the clock, for example: sudo timedatectl set-ntp true"
    if abs(ahead) >= _REFUSED_SECONDS:
        return failed(f"{found}; AWS refuses signatures that are 5 minutes off", fix)
    if abs(ahead) >= _NOTICEABLE_SECONDS:
        return warning(f"{found}: latencies will look wrong", fix)
    return ok("agrees with the endpoint's")
