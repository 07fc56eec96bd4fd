"""All checks, run side by side. Checks that need another one to pass first are skipped if it fails."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from operations import declared
from operations.doctor import endpoint, machine, outputs, processing
from operations.doctor.check import Check, State, failed, run, skipped
from profiles.environment import Environment, up_command
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.pipeline import load
from profiles.session import Aws

_WORKERS = 16

# The checks of AWS, in the order in which they are shown: that in which a record passes the resources. A check with a
# kind is run for each declared resource of that kind; "source" and "dead letter" are kinds of queues.
PIPELINE: Mapping[str, tuple[str, Callable[..., Check]]] = {
    "queue": ("source", processing.queue),
    "mapping": ("event source mapping", processing.mapping),
    "function": ("function", processing.function),
    "role": ("role", processing.role),
    "visibility": ("event source mapping", processing.visibility),
    "log": ("log group", processing.log),
    "dead letters": ("dead letter", processing.dead_letters),
    "bucket": ("", outputs.bucket),
    "records": ("", outputs.records),
    "alerts": ("", outputs.alerts),
    "email": ("", outputs.email),
    "rules": ("", outputs.rules),
    "athena": ("", outputs.history),
}


def examine(
    profile: str,
    prefix: str = "",
    bucket: str | None = None,
    pipeline: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> list[Check]:
    """Check everything. Never raises because of what it finds; `environ` is for tests."""
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="check") as pool:
        on_this_machine = [
            pool.submit(run, "python", machine.python),
            pool.submit(run, "docker", machine.docker_engine),
        ]
        reached, aws = _reach(profile, environ)
        if aws is None:
            rest = [run(name, partial(skipped, "not checked: see above")) for name in ("clock", *PIPELINE)]
        else:
            rest = _look(pool, aws, prefix, bucket, pipeline)
        return [*(one.result() for one in on_this_machine), *reached, *rest]


def checks_of(environment: Environment) -> dict[str, Callable[[], Check]]:
    """The checks of a pipeline by name. The resource's name is part of it, except for the first resource of a kind."""
    checks: dict[str, Callable[[], Check]] = {}
    for name, (kind, check) in PIPELINE.items():
        if not kind:
            checks[name] = partial(check, environment)
        for number, resource in enumerate(_subjects(environment, kind) if kind else ()):
            checks[f"{name} {resource.name}" if number else name] = partial(check, environment, resource)
    return checks


def _subjects(environment: Environment, kind: str) -> list[Any]:
    if kind not in ("source", "dead letter"):
        return declared.resources(environment, kind)
    dead = declared.dead_letter_queues(environment)
    if kind == "dead letter":
        return dead
    subscribed = {one.name.rpartition(":")[2] for one in declared.resources(environment, "subscription")}
    queues = declared.resources(environment, "queue")
    return [one for one in queues if one not in dead and one.name not in subscribed]


def _reach(profile: str, environ: Mapping[str, str] | None) -> tuple[list[Check], Aws | None]:
    """Check profile, engine and credentials, in this order, up to the first fault. Returns clients if there is none."""
    found, aws = endpoint.profile(profile, environ)
    checks = [run("profile", lambda: found)]
    if aws is None:
        return checks, None
    for name, check in (("engine", endpoint.engine), ("credentials", endpoint.account)):
        checks.append(run(name, partial(check, aws)))
        if checks[-1].state is State.FAILED:
            return checks, None
    return checks, aws


def _look(pool: ThreadPoolExecutor, aws: Aws, prefix: str, bucket: str | None, pipeline: str | None) -> list[Check]:
    clock = pool.submit(run, "clock", partial(machine.clock, aws))
    try:
        found = load(pipeline)
        environment = Environment(found, aws, Names(found.names, aws.account, prefix, bucket))
        checks = checks_of(environment)
    except (CannotRunError, ValueError) as error:
        what = "pipeline" if isinstance(error, CannotRunError) else "prefix"
        problem = failed(str(error), f"choose another --{what}")
        return [run(what, lambda: problem), clock.result()]
    up = up_command(environment)
    return [clock.result(), *pool.map(lambda name: run(name, checks[name], up), checks)]
