"""All checks, made side by side; those that can't be made until another is repaired are skipped."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from operations.doctor import endpoint, flow, machine, outputs
from operations.doctor.check import Check, State, failed, guarded, skipped
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.pipeline import load
from profiles.session import Aws

_WORKERS = 16

# What is asked of AWS, in the order in which it is shown: the way of a record.
PIPELINE: Mapping[str, Callable[[Environment], Check]] = {
    "queue": flow.queue,
    "mapping": flow.mapping,
    "function": flow.function,
    "role": flow.role,
    "visibility": flow.visibility,
    "log": flow.log,
    "dead letters": flow.dead_letters,
    "bucket": outputs.bucket,
    "records": outputs.records,
    "alerts": outputs.alerts,
    "email": outputs.email,
    "rules": outputs.rules,
    "athena": outputs.history,
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
        on_this_machine = [pool.submit(machine.python), pool.submit(machine.docker_engine)]
        reached, aws = _reach(profile, environ)
        if aws is None:
            rest = [skipped(name, "not checked: see above") for name in ("clock", *PIPELINE)]
        else:
            rest = _look(pool, aws, prefix, bucket, pipeline)
        return [*(one.result() for one in on_this_machine), *reached, *rest]


def _reach(profile: str, environ: Mapping[str, str] | None) -> tuple[list[Check], Aws | None]:
    """Profile, engine, credentials: each needs the one before. The clients, if all three are good."""
    found, aws = endpoint.profile(profile, environ)
    checks = [found]
    if aws is None:
        return checks, None
    for check in (endpoint.engine, endpoint.account):
        checks.append(check(aws))
        if checks[-1].state is State.FAILED:
            return checks, None
    return checks, aws


def _look(pool: ThreadPoolExecutor, aws: Aws, prefix: str, bucket: str | None, pipeline: str | None) -> list[Check]:
    clock = pool.submit(guarded, "clock", lambda: machine.clock(aws))
    try:
        found = load(pipeline)
        environment = Environment(found, aws, Names(found.names, aws.account, prefix, bucket))
    except CannotRunError as error:
        return [failed("pipeline", str(error), "choose another --pipeline"), clock.result()]
    except ValueError as error:
        return [failed("prefix", str(error), "choose another --prefix"), clock.result()]

    def run(item: tuple[str, Callable[[Environment], Check]]) -> Check:
        name, check = item
        return guarded(name, lambda: check(environment))

    return [clock.result(), *pool.map(run, PIPELINE.items())]
